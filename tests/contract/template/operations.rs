//! What whoever is woken at night needs: limits, failure destinations, alarms.

use std::{collections::BTreeSet, time::Duration};

use devstack::spec::{Source, Spec};
use serde_yaml_ng::Value;

use super::{of_type, stages, target, template};
use crate::snapshot;

/// API Gateway gives up on an integration after this long: the HTTP API after
/// thirty seconds, the WebSocket API after 29.
const PATIENCE: Duration = Duration::from_secs(29);

/// Of a new account's concurrency this much must stay unreserved.
const UNRESERVED: usize = 100;
const CONCURRENCY: usize = 1_000;

fn seconds(spec: &Spec, queue: &str, attribute: &str) -> Duration {
    let queue = spec.queues.iter().find(|declared| declared.name == queue).expect("a queue");
    Duration::from_secs(queue.attributes[attribute].parse().expect("seconds"))
}

#[test]
fn nobody_behind_an_api_outlives_the_apis_patience() {
    for (stage, spec) in stages::specs() {
        let http = spec.http_routes.iter().map(|route| &route.function);
        for id in http.chain(spec.socket_routes.iter().map(|route| &route.function)) {
            let timeout = spec.functions[id].timeout;
            assert!(timeout < PATIENCE, "{stage} {id}: {timeout:?}");
        }
        for route in &spec.stream_routes {
            let timeout = spec.functions[&route.function].timeout;
            assert!(timeout < route.patience, "{stage} {}: {timeout:?}", route.path);
        }
    }
}

#[test]
fn what_a_trigger_cannot_deliver_is_reported_and_kept() {
    for (stage, spec) in stages::specs() {
        let kept = |queue: &Option<String>| {
            let queue =
                queue.as_ref().and_then(|name| spec.queues.iter().find(|q| &q.name == name));
            queue.is_some_and(|queue| queue.attributes["MessageRetentionPeriod"] == "1209600")
        };
        for mapping in &spec.mappings {
            let name = format!("{stage} {}", mapping.name);
            assert!(mapping.report_batch_item_failures, "{name}: one record fails its batch");
            let Source::Queue { queue } = &mapping.source else {
                assert!(kept(&mapping.on_failure_queue), "{name} has no failure destination");
                continue;
            };
            let declared = spec.queues.iter().find(|declared| &declared.name == queue);
            let redrives = declared.is_some_and(|q| q.attributes.contains_key("RedrivePolicy"));
            assert!(redrives, "{name}: {queue} has no dead-letter queue");
            // As Lambda recommends: room for retries before a message shows again.
            let timeout = spec.functions[&mapping.function].timeout;
            assert!(seconds(&spec, queue, "VisibilityTimeout") >= 6 * timeout, "{name}");
        }
        for schedule in &spec.schedules {
            let queue = &spec.functions[&schedule.function].on_failure_queue;
            assert!(kept(queue), "{stage} {} has no failure destination", schedule.name);
        }
    }
}

/// API Gateway closes a socket two hours after it was opened.
const SOCKET_LIFE: Duration = Duration::from_hours(2);

#[test]
fn no_push_message_is_dropped_by_its_queue_while_a_socket_of_its_time_is_open() {
    for (stage, spec) in stages::specs() {
        let queue = spec.queues.iter().find(|queue| queue.logical_id == "PushQueue");
        let queue = queue.expect("the push queue");
        let policy: serde_json::Value =
            serde_json::from_str(&queue.attributes["RedrivePolicy"]).expect("JSON");
        let receives = policy["maxReceiveCount"].to_string().trim_matches('"').parse::<u32>();
        let tried = receives.expect("a number") * seconds(&spec, &queue.name, "VisibilityTimeout");
        assert!(tried > SOCKET_LIFE, "{stage}: given up after {tried:?}");
        // What is given up is reported; what expires is not.
        assert!(seconds(&spec, &queue.name, "MessageRetentionPeriod") > tried, "{stage}");
    }
}

#[test]
fn every_queue_is_emptied_by_a_function_or_watched_by_an_alarm() {
    let template = template();
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
    for (id, queue) in of_type(&template, "AWS::SQS::Queue") {
        let watched = alarms.iter().any(|(_, alarm)| {
            let of = target(&alarm["Properties"]["Dimensions"][0]["Value"]);
            alarm["Properties"]["MetricName"] == "ApproximateNumberOfMessagesVisible"
                && of == format!("{id}.QueueName")
        });
        assert!(watched, "{id} fills unnoticed");
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true, "{id} is in the clear");
    }
}

#[test]
fn every_alarm_reaches_somebody_and_says_what_is_wrong() {
    let template = template();
    for (id, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        assert_eq!(target(&alarm["AlarmActions"][0]), "AlarmTopic", "{id}");
        assert!(alarm["AlarmDescription"].is_string(), "{id}");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{id} goes off at night");
    }
    for watched in [
        "HttpErrorsAlarm",
        "HttpLatencyAlarm",
        "SocketErrorsAlarm",
        "FunctionThrottlesAlarm",
        "TableThrottlesAlarm",
        "EventStreamThrottlesAlarm",
        "TelemetryStreamThrottlesAlarm",
        "OutboxIteratorAgeAlarm",
        "ProjectionsIteratorAgeAlarm",
        "OlapLoadIteratorAgeAlarm",
        "TelemetryLoadIteratorAgeAlarm",
    ] {
        assert!(!template["Resources"][watched].is_null(), "{watched}");
    }
}

#[test]
fn an_alarm_on_a_metric_of_our_own_asks_for_one_that_is_written() {
    let (template, written) = (template(), snapshot::read("shared/runtime/src/metrics.rs"));
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
    let own = alarms.iter().map(|(id, alarm)| (id, &alarm["Properties"]));
    for (id, alarm) in own.filter(|(_, alarm)| alarm["Namespace"] == runtime::metrics::NAMESPACE) {
        let metric = alarm["MetricName"].as_str().expect("a name");
        let field = format!("    {metric}: ");
        let mut metrics = written.split("#[metrics(emf::dimension_sets");
        let declared = metrics.find(|declared| declared.contains(&field));
        let declared = declared.unwrap_or_else(|| panic!("{id}: nobody writes {metric}"));
        let dimensions = alarm["Dimensions"].as_sequence().expect("a list").iter();
        let names: Vec<_> = dimensions.filter_map(|of| of["Name"].as_str()).collect();
        assert!(declared.contains(&format!("{names:?}")), "{id}: it has not just {names:?}");
    }
}

#[test]
fn the_dashboard_is_json() {
    let template = template();
    let body = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"];
    let body: serde_json::Value = serde_json::from_str(target(body)).expect("JSON");
    assert!(body["widgets"].as_array().is_some_and(|widgets| !widgets.is_empty()));
}

#[test]
fn concurrency_is_reserved_where_a_downstream_needs_it() {
    for (stage, spec) in stages::specs() {
        let reserved = |id: &str| spec.functions[id].reserved_concurrency;
        for mapping in &spec.mappings {
            match (mapping.function.as_str(), &mapping.source) {
                (
                    loader @ ("OlapLoadFunction" | "TelemetryLoadFunction"),
                    Source::Kinesis { stream },
                ) => {
                    let stream = spec.streams.iter().find(|s| &s.name == stream).expect("a stream");
                    let most = stream.shards as usize * mapping.parallelization_factor;
                    assert_eq!(reserved(loader), Some(most), "{stage} {loader}");
                }
                // More and the poller is turned away, which counts as a receive.
                ("PushFunction", _) => {
                    assert_eq!(reserved("PushFunction"), mapping.max_concurrency, "{stage}");
                    assert!(mapping.max_concurrency.is_some(), "{stage}");
                }
                _ => {}
            }
        }
        assert_eq!(spec.stream_routes.len(), usize::from(stage != "dev"), "{stage}");
        // Anybody may ask, and each holds an invocation for a minute.
        for route in &spec.stream_routes {
            assert!(reserved(&route.function).is_some(), "{stage} {}", route.path);
        }
        for schedule in &spec.schedules {
            assert_eq!(reserved(&schedule.function), Some(1), "{stage} {}", schedule.name);
        }
        let total: usize = spec.functions.values().filter_map(|f| f.reserved_concurrency).sum();
        assert!(total <= CONCURRENCY - UNRESERVED, "{stage} reserves {total}");
    }
}

#[test]
fn logs_are_json_traces_are_on_and_all_apis_are_throttled() {
    let template = template();
    let globals = &template["Globals"]["Function"];
    assert_eq!(globals["LoggingConfig"]["LogFormat"], "JSON");
    assert_eq!(globals["Tracing"], "Active");
    for id in ["HttpApi", "SocketStage"] {
        let settings = &template["Resources"][id]["Properties"]["DefaultRouteSettings"];
        for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            assert!(!settings[limit].is_null(), "{id} has no {limit}");
        }
    }
    let streams = &template["Resources"]["StreamApi"]["Properties"];
    assert_eq!(streams["TracingEnabled"], true);
    let every = &streams["MethodSettings"][0];
    assert_eq!((&every["ResourcePath"], &every["HttpMethod"]), (&"/*".into(), &"*".into()));
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(!every[limit].is_null(), "StreamApi has no {limit}");
    }
}

/// What access logs may hold. Headers, query strings and bodies carry tokens.
const LOGGED: [&str; 15] = [
    "connectionId",
    "error.message",
    "eventType",
    "identity.sourceIp",
    "integrationErrorMessage",
    "integrationLatency",
    "requestId",
    "requestTime",
    "resourcePath",
    "responseLatency",
    "responseLength",
    "routeKey",
    "status",
    "stage",
    "apiId",
];

#[test]
fn access_logs_are_json_that_ends_and_hold_no_secret() {
    let template = template();
    let resources = &template["Resources"];
    let http = &resources["HttpApi"]["Properties"]["AccessLogSettings"];
    let socket = &resources["SocketStage"]["Properties"]["AccessLogSettings"];
    let stream = &resources["StreamApi"]["Properties"]["AccessLogSetting"];
    // !If [LogsSockets, settings, nothing]
    let chosen = |settings: &Value| {
        let Value::Tagged(conditional) = settings else { panic!("a stage's choice") };
        conditional.value[1].clone()
    };
    for settings in [http, &chosen(socket), &chosen(stream)] {
        let group = target(&settings["DestinationArn"]).trim_end_matches(".Arn").to_owned();
        assert!(!resources[&group]["Properties"]["RetentionInDays"].is_null(), "{group}");
        let format = settings["Format"].as_str().expect("a format");
        let line: serde_json::Value = serde_json::from_str(format).expect("JSON");
        let fields = line.as_object().expect("an object").values();
        for field in fields.map(|field| field.as_str().unwrap_or_default()) {
            let variable = field.strip_prefix("$context.").unwrap_or_default();
            assert!(LOGGED.contains(&variable), "{field} is logged");
        }
    }
}

#[test]
fn every_log_group_ends_and_is_the_only_one_of_its_name() {
    let template = template();
    let mut names = BTreeSet::new();
    for (id, group) in of_type(&template, "AWS::Logs::LogGroup") {
        let group = &group["Properties"];
        assert_eq!(target(&group["RetentionInDays"]), "LogRetentionDays", "{id}");
        assert!(names.insert(target(&group["LogGroupName"]).to_owned()), "{id}");
    }
}
