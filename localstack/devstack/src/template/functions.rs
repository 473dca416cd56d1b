//! Functions, their events and the HTTP API.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{IMPLICIT_HTTP_API, mapping, policy, props::Props};
use crate::spec::{Cors, FunctionSpec, HttpRoute, ScheduleSpec, Spec};

/// Function properties that change nothing outside AWS: how the code is built
/// and deployed, and what is recorded about it.
const AWS_ONLY: &[&str] = &[
    "Architectures",
    "AutoPublishAlias",
    "AutoPublishCodeSha256",
    "CodeSigningConfigArn",
    "DeploymentPreference",
    "Description",
    "EphemeralStorage",
    "FunctionName",
    "Handler",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "PackageType",
    "PermissionsBoundary",
    "ProvisionedConcurrencyConfig",
    "RolePath",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "Tags",
    "PropagateTags",
    "Tracing",
    "VersionDescription",
    "VpcConfig",
];

pub(super) fn function(id: &str, props: &mut Props<'_>, spec: &mut Spec) -> Result<()> {
    let code = props.required_text("CodeUri")?;
    let crate_name = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let mut env = std::collections::BTreeMap::new();
    if let Some(mut environment) = props.child("Environment")? {
        if let Some(variables) = environment.take("Variables")? {
            let variables = variables.as_object().context("Variables is a map")?;
            for (name, value) in variables {
                let value = super::intrinsics::scalar_text(value)
                    .with_context(|| format!("resource {id}: variable {name}"))?;
                ensure!(
                    !value.contains("{{resolve:"),
                    "resource {id}: variable {name} is stored on AWS ({value}); \
                     make it a parameter so that the local stage can have its own"
                );
                env.insert(name.clone(), value);
            }
        }
        environment.finish()?;
    }
    let timeout = props.number("Timeout", 1..=900)?.unwrap_or(3);
    let memory = props.number("MemorySize", 128..=10_240)?.unwrap_or(128);
    let reserved = props.number("ReservedConcurrentExecutions", 0..=1_000_000)?;
    let on_failure_queue = on_failure_queue(props)?;
    let policy = policy::read(props)?;
    props.ignore(AWS_ONLY);
    spec.functions.insert(
        id.to_owned(),
        FunctionSpec {
            logical_id: id.to_owned(),
            crate_name,
            env,
            timeout: Duration::from_secs(timeout.unsigned_abs()),
            memory_mb: u32::try_from(memory)?,
            reserved_concurrency: reserved.map(usize::try_from).transpose()?,
            policy,
            on_failure_queue,
        },
    );
    let Some(Value::Object(events)) = props.take("Events")? else { return Ok(()) };
    for (name, body) in events {
        let at = format!("resource {id}: event {name}");
        let kind = body["Type"].as_str().with_context(|| format!("{at}: no Type"))?.to_owned();
        let properties = body["Properties"].as_object().cloned().unwrap_or_default();
        let mut event = Props::new(props.resolver(), properties, at);
        let full_name = format!("{id}.{name}");
        match kind.as_str() {
            "HttpApi" => spec.http_routes.push(http_route(id, &mut event)?),
            "Schedule" => spec.schedules.push(schedule(id, full_name, &mut event)?),
            "ScheduleV2" => spec.schedules.push(schedule_v2(id, full_name, &mut event)?),
            "DynamoDB" | "Kinesis" => {
                let source = event.required_text("Stream")?;
                spec.mappings.push(mapping::read(full_name, id, &source, &mut event)?);
            }
            "SQS" => {
                let source = event.required_text("Queue")?;
                spec.mappings.push(mapping::read(full_name, id, &source, &mut event)?);
            }
            other => return event.fail(format!("the local stack does not model {other} events")),
        }
        event.finish()?;
    }
    Ok(())
}

/// `EventInvokeConfig`: what becomes of asynchronous invocations that fail.
fn on_failure_queue(props: &mut Props<'_>) -> Result<Option<String>> {
    let Some(mut invoke) = props.child("EventInvokeConfig")? else { return Ok(None) };
    // Lambda's defaults, which are what the scheduler here does.
    invoke.only("MaximumRetryAttempts", "2")?;
    invoke.only("MaximumEventAgeInSeconds", "21600")?;
    let mut queue = None;
    if let Some(mut destinations) = invoke.child("DestinationConfig")? {
        if let Some(mut failure) = destinations.child("OnFailure")? {
            failure.only("Type", "SQS")?;
            let arn = failure.required_text("Destination")?;
            queue = arn.rsplit(':').next().map(str::to_owned);
            failure.finish()?;
        }
        destinations.finish()?;
    }
    invoke.finish()?;
    Ok(queue)
}

fn http_route(function: &str, event: &mut Props<'_>) -> Result<HttpRoute> {
    let path = event.text("Path")?;
    let method = event.text("Method")?;
    event.only("PayloadFormatVersion", "2.0")?;
    if let Some(mut auth) = event.child("Auth")? {
        auth.only("Authorizer", "NONE")?;
        auth.finish()?;
    }
    // The API's id was resolved, so that it exists is already known.
    event.take("ApiId")?;
    // Throttling protects an account's quota; the local stack has none.
    event.ignore(&["RouteSettings"]);
    let method = method.map(|method| match method.to_ascii_uppercase().as_str() {
        "X-AMAZON-APIGATEWAY-ANY-METHOD" => "ANY".to_owned(),
        other => other.to_owned(),
    });
    let (method, path) = match (method, path) {
        (None, None) => ("ANY".to_owned(), "$default".to_owned()),
        (method, Some(path)) if path == "$default" => {
            ensure!(method.is_none_or(|method| method == "ANY"), "$default takes any method");
            ("ANY".to_owned(), path)
        }
        (Some(method), Some(path)) => (method, path),
        _ => return event.fail("Path and Method go together"),
    };
    Ok(HttpRoute { method, path, function: function.to_owned() })
}

pub(super) fn http_api(props: &mut Props<'_>, spec: &mut Spec) -> Result<()> {
    let only_one = props
        .resolver()
        .resources
        .iter()
        .filter(|(id, resource)| {
            resource.kind == "AWS::Serverless::HttpApi" && *id != IMPLICIT_HTTP_API
        })
        .count()
        <= 1;
    ensure!(only_one, "the local stack serves one HTTP API");
    if let Some(mut cors) = props.child("CorsConfiguration")? {
        cors.only("AllowCredentials", "false")?;
        spec.cors = Some(Cors {
            allow_origins: cors.texts("AllowOrigins")?,
            allow_methods: cors.texts("AllowMethods")?,
            allow_headers: cors.texts("AllowHeaders")?,
            expose_headers: cors.texts("ExposeHeaders")?,
            max_age: cors.number("MaxAge", 0..=86_400)?.map(i64::unsigned_abs),
        });
        cors.finish()?;
    }
    props.only("StageName", "$default")?;
    props.ignore(&[
        "AccessLogSettings",
        "DefaultRouteSettings",
        "Description",
        "DisableExecuteApiEndpoint",
        "Domain",
        "FailOnWarnings",
        "Name",
        "PropagateTags",
        "RouteSettings",
        "Tags",
    ]);
    Ok(())
}

/// What EventBridge needs to reach the function. Reaching it cannot fail here,
/// so retries and the dead-letter queue of the delivery never come into play.
const DELIVERY: &[&str] =
    &["DeadLetterConfig", "Description", "Name", "PermissionsBoundary", "RetryPolicy", "RoleArn"];

fn schedule(function: &str, name: String, event: &mut Props<'_>) -> Result<ScheduleSpec> {
    let expression = event.required_text("Schedule")?;
    let enabled = enabled(event)?;
    let input = input(event)?;
    event.ignore(DELIVERY);
    Ok(ScheduleSpec { name, function: function.to_owned(), expression, enabled, input })
}

fn schedule_v2(function: &str, name: String, event: &mut Props<'_>) -> Result<ScheduleSpec> {
    let expression = event.required_text("ScheduleExpression")?;
    let enabled = enabled(event)?;
    event.only("ScheduleExpressionTimezone", "UTC")?;
    event.only("GroupName", "default")?;
    if let Some(mut window) = event.child("FlexibleTimeWindow")? {
        window.only("Mode", "OFF")?;
        window.finish()?;
    }
    let given = input(event)?;
    event.ignore(DELIVERY);
    event.ignore(&["OmitName"]);
    // EventBridge Scheduler's default event differs from a rule's: its own
    // source, and a detail that is text. The placeholders are Scheduler's.
    let pseudo = &event.resolver().pseudo;
    let resource = format!("schedule/default/{}", pseudo.generated_name(&name.replace('.', "")));
    let input = given.unwrap_or_else(|| {
        json!({
            "version": "0",
            "id": "<aws.scheduler.execution-id>",
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": pseudo.account_id,
            "time": "<aws.scheduler.scheduled-time>",
            "region": pseudo.region,
            "resources": [pseudo.arn("scheduler", &resource)],
            "detail": "{}",
        })
    });
    Ok(ScheduleSpec {
        name,
        function: function.to_owned(),
        expression,
        enabled,
        input: Some(input),
    })
}

fn enabled(event: &mut Props<'_>) -> Result<bool> {
    let enabled = event.flag("Enabled")?;
    match event.text("State")?.as_deref() {
        None => Ok(enabled.unwrap_or(true)),
        Some("ENABLED") => Ok(true),
        Some("DISABLED") => Ok(false),
        Some(other) => bail!("State is ENABLED or DISABLED, not {other}"),
    }
}

/// `Input` is JSON text.
fn input(event: &mut Props<'_>) -> Result<Option<Value>> {
    let text = event.text("Input")?;
    text.map(|text| serde_json::from_str(&text).context("Input is not JSON")).transpose()
}
