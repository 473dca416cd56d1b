use std::time::Duration;

use serde_json::json;

use super::*;
use crate::spec::{Source, StreamRoute};

/// The names in these tests do not hang on where the engines say they are.
fn pseudo() -> Pseudo {
    Pseudo { region: "ap-northeast-2".into(), ..Pseudo::default() }
}

fn read(text: &str) -> Result<Spec> {
    parse(text, &BTreeMap::new(), &pseudo())
}

fn problem(text: &str) -> String {
    format!("{:#}", read(text).expect_err("the template must be refused"))
}

/// The environment of one function with these variables.
fn variables(lines: &str, parameters: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
    let lines = lines.replace('\n', "\n          ");
    let text = format!(
        "
Parameters:
  Stage: {{Type: String, Default: dev, AllowedValues: [dev, prod]}}
  Origins: {{Type: CommaDelimitedList, Default: 'a, b'}}
  Number: {{Type: Number, Default: 7}}
Mappings:
  Sizes: {{dev: {{Size: 1}}, prod: {{Size: 9}}}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  NotProd: !Not [!Condition IsProd]
  Both: !And [!Condition NotProd, !Equals [7, !Ref Number]]
  Either: {{'Fn::Or': [{{Condition: IsProd}}, {{'Fn::Equals': [a, b]}}]}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f/
      Environment:
        Variables:
          {lines}
  Table:
    Type: AWS::DynamoDB::Table
    Properties: {{StreamSpecification: {{StreamViewType: NEW_IMAGE}}}}
  Jobs: {{Type: AWS::SQS::Queue, Properties: {{FifoQueue: true}}}}
  Named: {{Type: AWS::SQS::Queue, Properties: {{QueueName: !Sub '${{Stage}}-named'}}}}
  Absent: {{Type: AWS::SQS::Queue, Condition: IsProd}}
  Events: {{Type: AWS::Kinesis::Stream}}
  Socket:
    Type: AWS::ApiGatewayV2::Api
    Properties: {{ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
"
    );
    let given = parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let spec = parse(&text, &given, &pseudo())?;
    Ok(spec.functions["F"].env.clone())
}

#[test]
fn resolves_intrinsics_as_cloudformation_does() {
    for (expression, expected) in [
        ("!Ref Stage", "dev"),
        ("!Ref Number", "7"),
        ("{Ref: AWS::Region}", "ap-northeast-2"),
        ("!Ref AWS::AccountId", "000000000000"),
        ("!Sub '${Stage}-${AWS::Region}-${!Literal}'", "dev-ap-northeast-2-${Literal}"),
        ("!Sub ['${x}/${Stage}', {x: !Ref Number}]", "7/dev"),
        (
            "{'Fn::Sub': '${Table.Arn}'}",
            "arn:aws:dynamodb:ap-northeast-2:000000000000:table/local-Table",
        ),
        (
            "!GetAtt [Events, Arn]",
            "arn:aws:kinesis:ap-northeast-2:000000000000:stream/local-Events",
        ),
        ("!Ref Table", "local-Table"),
        ("!Ref Jobs", "https://sqs.ap-northeast-2.amazonaws.com/000000000000/local-Jobs.fifo"),
        ("!GetAtt Named.QueueName", "dev-named"),
        ("!GetAtt Named.Arn", "arn:aws:sqs:ap-northeast-2:000000000000:dev-named"),
        ("!Ref F", "local-F"),
        ("!GetAtt F.Arn", "arn:aws:lambda:ap-northeast-2:000000000000:function:local-F"),
        ("!GetAtt FRole.Arn", "arn:aws:iam::000000000000:role/local-FRole"),
        ("!If [IsProd, a, b]", "b"),
        ("!If [NotProd, !If [Either, x, !Ref Stage], b]", "dev"),
        ("!If [Both, both, no]", "both"),
        ("!Join ['-', [a, !Ref Stage, 3, true]]", "a-dev-3-true"),
        ("!Join ['+', !Ref Origins]", "a+b"),
        ("!Select [1, !Split ['/', a/b/c]]", "b"),
        ("!Select [0, !Ref Origins]", "a"),
        ("!FindInMap [Sizes, !Ref Stage, Size]", "1"),
        ("{'Fn::Base64': !Sub '${Stage}'}", "ZGV2"),
        (
            "!Sub wss://${Socket}.execute-api.${AWS::Region}.${AWS::URLSuffix}/realtime",
            "wss://socket.execute-api.ap-northeast-2.amazonaws.com/realtime",
        ),
        ("!GetAtt Socket.ApiEndpoint", "wss://socket.execute-api.ap-northeast-2.amazonaws.com"),
        ("true", "true"),
        ("12", "12"),
    ] {
        let env = variables(&format!("X: {expression}"), &[]);
        assert_eq!(env.map(|env| env["X"].clone()).ok().as_deref(), Some(expected), "{expression}");
    }
    let env = variables(
        "X: !If [IsProd, a, b]\nY: !FindInMap [Sizes, !Ref Stage, Size]",
        &[("Stage", "prod")],
    );
    assert_eq!(env.unwrap(), BTreeMap::from([("X".into(), "a".into()), ("Y".into(), "9".into())]));
    let env = variables("X: !If [IsProd, a, !Ref AWS::NoValue]", &[]);
    assert!(env.unwrap().is_empty());
}

#[test]
fn names_what_cannot_be_resolved() {
    for (expression, expected) in [
        ("!Ref Nothing", "there is no resource Nothing"),
        ("!Ref Absent", "Absent does not exist: IsProd is false"),
        ("!GetAtt Jobs.Colour", "Colour"),
        ("!ImportValue x", "Fn::ImportValue"),
        ("!If [Unknown, a, b]", "there is no condition Unknown"),
        ("!Sub '${Nothing'", "unclosed"),
        ("!FindInMap [Sizes, dev, Colour]", "Sizes.dev.Colour"),
        ("'{{resolve:ssm:/x}}'", "stored on AWS"),
        ("[a]", "variable X"),
    ] {
        let error = variables(&format!("X: {expression}"), &[]).expect_err(expression);
        let text = format!("{error:#}");
        assert!(text.contains("resource F") && text.contains(expected), "{expression}: {text}");
    }
    assert!(variables("X: a", &[("Stage", "moon")]).is_err());
    assert!(variables("X: a", &[("Unknown", "x")]).is_err());
}

const FUNCTIONS: &str = "
Globals:
  Function:
    Timeout: 10
    Environment: {Variables: {A: global, B: global}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: {AllowOrigins: ['*'], AllowMethods: [GET], MaxAge: 600}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  Stream: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 2}}
  Dead: {Type: AWS::SQS::Queue}
  Able:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {AlarmName: !Ref Nowhere}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/some-thing
      MemorySize: 512
      Environment: {Variables: {B: own, C: own}}
      Policies:
        - Version: '2012-10-17'
          Statement:
            - {Effect: Allow, Action: 'dynamodb:GetItem', Resource: !GetAtt Table.Arn}
            - Effect: Allow
              Action: [sqs:SendMessage]
              Resource: [!GetAtt Dead.Arn, !GetAtt Able.Arn]
      EventInvokeConfig:
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: get, Path: '/a/{id}'}}
        Rest: {Type: HttpApi, Properties: {ApiId: !Ref Api}}
        Night: {Type: Schedule, Properties: {Schedule: cron(5 0 * * ? *), Input: '{\"a\":1}'}}
        Often: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute), State: DISABLED}}
        Journal:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 7
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 3
            MaximumRecordAgeInSeconds: 60
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: {Filters: [{Pattern: '{\"eventName\":[\"INSERT\"]}'}]}
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
        Events:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Stream.Arn
            StartingPosition: LATEST
            ParallelizationFactor: 4
            MaximumRetryAttempts: -1
            MaximumBatchingWindowInSeconds: 2
        Jobs:
          Type: SQS
          Properties: {Queue: !GetAtt Able.Arn, ScalingConfig: {MaximumConcurrency: 3}}
";

#[test]
fn reads_functions_with_their_triggers() {
    let spec = read(FUNCTIONS).unwrap();
    let function = &spec.functions["F"];
    assert_eq!((function.crate_name.as_str(), function.memory_mb), ("some-thing", 512));
    assert_eq!(function.timeout, Duration::from_secs(10));
    assert_eq!(json!(function.env), json!({"A": "global", "B": "own", "C": "own"}));
    assert_eq!(function.on_failure_queue.as_deref(), Some("local-Dead"));
    let policy: Vec<_> = function
        .policy
        .iter()
        .map(|permission| (permission.action.as_str(), permission.resource.as_str()))
        .collect();
    assert_eq!(
        policy,
        [
            ("dynamodb:GetItem", pseudo().table_arn("local-Table").as_str()),
            ("sqs:SendMessage", &pseudo().queue_arn("local-Dead")),
            ("sqs:SendMessage", &pseudo().queue_arn("local-Able")),
        ]
    );

    let routes: Vec<_> =
        spec.http_routes.iter().map(|r| (r.method.as_str(), r.path.as_str())).collect();
    assert_eq!(routes, [("GET", "/a/{id}"), ("ANY", "$default")]);
    assert_eq!(spec.cors.unwrap().max_age, Some(600));

    let table = &spec.tables[0];
    assert_eq!(
        table.create["StreamSpecification"],
        json!({"StreamViewType": "NEW_IMAGE", "StreamEnabled": true})
    );
    assert_eq!(
        (table.create["TableName"].as_str(), table.ttl_attribute.as_deref()),
        (Some("local-Table"), Some("expires_at"))
    );
    assert_eq!(spec.streams[0].shards, 2);
    let queues: Vec<_> = spec.queues.iter().map(|queue| queue.logical_id.as_str()).collect();
    assert_eq!(queues, ["Dead", "Able"], "a dead-letter queue comes first");

    let mapping = |name| spec.mappings.iter().find(|mapping| mapping.name == name).unwrap();
    let [journal, events, jobs] = ["F.Journal", "F.Events", "F.Jobs"].map(mapping);
    assert_eq!(journal.source, Source::TableStream { table: "local-Table".into() });
    assert_eq!((journal.batch_size, journal.max_retries, journal.bisect), (7, Some(3), true));
    assert_eq!(journal.max_record_age, Some(Duration::from_mins(1)));
    assert_eq!(journal.filters, [json!({"eventName": ["INSERT"]})]);
    assert_eq!(journal.on_failure_queue.as_deref(), Some("local-Dead"));
    assert!(journal.report_batch_item_failures && journal.from_start);
    assert_eq!(
        (events.batch_size, events.max_retries, events.parallelization_factor),
        (100, None, 4)
    );
    assert_eq!((events.batch_window, events.from_start), (Duration::from_secs(2), false));
    assert_eq!((jobs.batch_size, jobs.max_concurrency), (10, Some(3)));

    let [night, often] = spec.schedules.as_slice() else { panic!("two schedules") };
    assert_eq!((night.expression.as_str(), night.enabled), ("cron(5 0 * * ? *)", true));
    assert_eq!(night.input, Some(json!({"a": 1})));
    assert!(!often.enabled);
    assert_eq!(often.input.as_ref().unwrap()["source"], "aws.scheduler");
}

#[test]
fn follows_socket_routes_to_their_functions() {
    let text = "
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: realtime}}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $connect, Target: !Sub 'integrations/${Integration}'}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/f}}
";
    let spec = read(text).unwrap();
    assert_eq!(spec.socket_api.as_deref(), Some("api"));
    let [route] = spec.socket_routes.as_slice() else { panic!("one route") };
    assert_eq!((route.route_key.as_str(), route.function.as_str()), ("$connect", "F"));
    assert!(problem(&text.replace("integrations/", "")).contains("route $connect"));
}

#[test]
fn refuses_what_it_would_otherwise_ignore() {
    for (from, to, expected) in [
        (
            "StartingPosition: LATEST",
            "StartingPosition: LATEST\n            TumblingWindowInSeconds: 5",
            "resource F: event Events: TumblingWindowInSeconds",
        ),
        (
            "BatchSize: 7",
            "BatchSize: 7\n            Colour: red",
            "resource F: event Journal: the local stack does not model Colour",
        ),
        ("BatchSize: 7", "BatchSize: 0", "BatchSize"),
        ("Type: AWS::CloudWatch::Alarm", "Type: AWS::RDS::DBInstance", "AWS::RDS::DBInstance"),
        ("Type: Kinesis", "Type: MSK", "MSK events"),
        ("VisibilityTimeout: 60", "VisibilityTimeout: 5", "shorter than"),
        (
            "MemorySize: 512",
            "FunctionUrlConfig: {AuthType: NONE}",
            "resource F: the local stack does not model FunctionUrlConfig",
        ),
        ("[\\\"INSERT\\\"]", "\\\"INSERT\\\"", "eventName"),
        ("StartingPosition: LATEST", "Enabled: true", "StartingPosition is missing"),
        ("{Effect: Allow, Action:", "{Effect: Deny, Action:", "models only Allow"),
        ("{Effect: Allow, Action:", "{Condition: {}, Effect: Allow, Action:", "Condition"),
        ("Version: '2012-10-17'\n          Statement", "Statements", "no Statement"),
        (
            "OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}\n      Events",
            "OnFailure: {Type: SNS, Destination: a}}\n      Events",
            "SQS",
        ),
        ("Method: get, Path: '/a/{id}'", "Method: get", "Path and Method"),
        (
            "deadLetterTargetArn: !GetAtt Dead.Arn",
            "deadLetterTargetArn: 'arn:aws:sqs:x:0:none'",
            "dead-letter queue of Able",
        ),
    ] {
        let from = from.replace("\\\"", "\"");
        let to = to.replace("\\\"", "\"");
        assert!(FUNCTIONS.contains(&from), "{from}");
        let text = problem(&FUNCTIONS.replace(&from, &to));
        assert!(text.contains(expected), "{to}: {text}");
    }
}

#[test]
fn reads_the_products_own_template() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let parameters = [("SocketUrl".to_owned(), "ws://here".to_owned())].into();
    let spec = load(&root.join("template.yaml"), &parameters, &pseudo()).unwrap();
    assert_eq!(spec.functions["RealtimeTicketFunction"].env["SOCKET_URL"], "ws://here");
    assert_eq!(spec.socket_routes.len(), 3);
    let outbox = spec.mappings.iter().find(|mapping| mapping.function == "OutboxFunction").unwrap();
    assert!(matches!(outbox.source, Source::TableStream { .. }) && outbox.filters.len() == 1);
}

/// A template with a REST API that streams, one line of which is another.
fn streaming(from: &str, to: &str) -> Result<Vec<StreamRoute>> {
    let integration = "{x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, \
        responseTransferMode: STREAM, timeoutInMillis: 70000, uri: !Sub 'arn:aws:apigateway:r:lambda:path/2021-11-15/\
        functions/${F.Arn}/response-streaming-invocations'}}";
    let text = format!(
        "
Resources:
  F: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: functions/f/}}}}
  Http: {{Type: AWS::Serverless::HttpApi}}
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      DefinitionBody:
        openapi: 3.0.1
        paths:
          /: {{x-amazon-apigateway-any-method: {integration}}}
          '/{{proxy+}}': {{x-amazon-apigateway-any-method: {integration}}}
  HttpMapping:
    Type: AWS::ApiGatewayV2::ApiMapping
    Properties: {{ApiId: !Ref Http, DomainName: !Ref D, Stage: !Ref Http.Stage}}
  RestMapping:
    Type: AWS::ApiGatewayV2::ApiMapping
    Properties: {{ApiId: !Ref Rest, ApiMappingKey: a/b, DomainName: !Ref D, Stage: !Ref Rest.Stage}}
  D: {{Type: AWS::ApiGatewayV2::DomainName}}
"
    );
    assert!(text.contains(from), "{from}");
    Ok(read(&text.replace(from, to))?.stream_routes)
}

#[test]
fn an_api_that_streams_is_where_the_domain_has_it() {
    let route = StreamRoute {
        path: "/a/b".into(),
        stage: "live".into(),
        function: "F".into(),
        patience: Duration::from_secs(70),
    };
    assert_eq!(streaming("live", "live").unwrap(), [route]);
    // Nowhere but under the domain.
    assert_eq!(streaming("!Ref Rest, ApiMappingKey: a/b", "!Ref Http").unwrap(), []);
    for (from, to, why) in [
        ("STREAM", "BUFFERED", "responseTransferMode is STREAM"),
        ("'/{proxy+}'", "/other", "knows only the paths"),
        ("any-method", "get", "type is aws_proxy"),
        ("response-streaming-invocations", "invocations", "does not stream"),
        (", ApiMappingKey: a/b", "", "root of the domain"),
        ("!Ref Rest,", "!Ref Http,", "only APIs that stream"),
        ("${F.Arn}", "arn:aws:lambda:r:0:function:other", "no function here"),
    ] {
        let refused = format!("{:#}", streaming(from, to).expect_err(to));
        assert!(refused.contains(why), "{to}: {refused}");
    }
}
