//! Event source mappings.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::props::Props;
use crate::{
    spec::{MappingSpec, Source, Spec},
    triggers::Filter,
};

/// An `AWS::Lambda::EventSourceMapping`.
pub(super) fn standalone(id: &str, props: &mut Props<'_>, spec: &mut Spec) -> Result<()> {
    let source = props.required_text("EventSourceArn")?;
    let target = props.required_text("FunctionName")?;
    let function = function_of(props, &target)?;
    props.ignore(&["Tags"]);
    spec.mappings.push(read(format!("{function}.{id}"), &function, &source, props)?);
    Ok(())
}

/// The function with this name or ARN.
fn function_of(props: &Props<'_>, target: &str) -> Result<String> {
    let resolver = props.resolver();
    for (id, resource) in &resolver.resources {
        if resource.kind == "AWS::Serverless::Function"
            && resolver.name(id).is_ok_and(|name| {
                target == name
                    || target == resolver.pseudo.arn("lambda", &format!("function:{name}"))
            })
        {
            return Ok(id.clone());
        }
    }
    props.fail(format!("no function of this template is {target}"))
}

/// The settings that a function's event and a standalone mapping share.
pub(super) fn read(
    name: String,
    function: &str,
    source_arn: &str,
    props: &mut Props<'_>,
) -> Result<MappingSpec> {
    let Some(source) = source(source_arn) else {
        return props
            .fail(format!("{source_arn} is neither a table's stream, a stream nor a queue"));
    };
    let filters = filters(props)?;
    let partial = props.texts("FunctionResponseTypes")?;
    ensure!(
        partial.iter().all(|kind| kind == "ReportBatchItemFailures"),
        "{name}: FunctionResponseTypes knows only ReportBatchItemFailures"
    );
    let window = props.number("MaximumBatchingWindowInSeconds", 0..=300)?.unwrap_or(0);
    let mut mapping = MappingSpec {
        name,
        function: function.to_owned(),
        source,
        enabled: props.flag("Enabled")?.unwrap_or(true),
        batch_size: 0,
        batch_window: Duration::from_secs(window.unsigned_abs()),
        filters,
        report_batch_item_failures: !partial.is_empty(),
        bisect: false,
        max_retries: None,
        max_record_age: None,
        parallelization_factor: 1,
        from_start: false,
        on_failure_queue: None,
        max_concurrency: None,
    };
    props.ignore(&["MetricsConfig"]);
    if let Source::Queue { queue } = &mapping.source {
        let most = if queue.ends_with(".fifo") { 10 } else { 10_000 };
        let size = props.number("BatchSize", 1..=most)?.unwrap_or(10);
        ensure!(
            size <= 10 || window >= 1,
            "{}: a BatchSize over 10 needs a batching window of at least 1 second",
            mapping.name
        );
        ensure!(window == 0 || most > 10, "{}: a FIFO queue has no batching window", mapping.name);
        mapping.batch_size = usize::try_from(size)?;
        if let Some(mut scaling) = props.child("ScalingConfig")? {
            let most = scaling.number("MaximumConcurrency", 2..=1_000)?;
            mapping.max_concurrency = most.map(usize::try_from).transpose()?;
            scaling.finish()?;
        }
    } else {
        stream_settings(&mut mapping, props)?;
    }
    Ok(mapping)
}

fn stream_settings(mapping: &mut MappingSpec, props: &mut Props<'_>) -> Result<()> {
    let size = props.number("BatchSize", 1..=10_000)?.unwrap_or(100);
    mapping.batch_size = usize::try_from(size)?;
    mapping.from_start = match props.required_text("StartingPosition")?.as_str() {
        "TRIM_HORIZON" => true,
        "LATEST" => false,
        other => return props.fail(format!("StartingPosition {other} is not modelled")),
    };
    mapping.bisect = props.flag("BisectBatchOnFunctionError")?.unwrap_or(false);
    // -1 stands for "until the record expires", which is also the default.
    mapping.max_retries = props
        .number("MaximumRetryAttempts", -1..=10_000)?
        .and_then(|retries| u32::try_from(retries).ok());
    mapping.max_record_age = match props.number("MaximumRecordAgeInSeconds", -1..=604_800)? {
        None | Some(-1) => None,
        Some(age @ 60..) => Some(Duration::from_secs(age.unsigned_abs())),
        Some(age) => {
            return props.fail(format!("MaximumRecordAgeInSeconds is at least 60, not {age}"));
        }
    };
    let factor = props.number("ParallelizationFactor", 1..=10)?.unwrap_or(1);
    mapping.parallelization_factor = usize::try_from(factor)?;
    if let Some(mut destinations) = props.child("DestinationConfig")? {
        if let Some(mut failure) = destinations.child("OnFailure")? {
            failure.only("Type", "SQS")?;
            let arn = failure.required_text("Destination")?;
            let Some(Source::Queue { queue }) = source(&arn) else {
                return failure.fail(format!("{arn} is not a queue"));
            };
            mapping.on_failure_queue = Some(queue);
            failure.finish()?;
        }
        destinations.finish()?;
    }
    props.only("TumblingWindowInSeconds", "0")
}

fn filters(props: &mut Props<'_>) -> Result<Vec<Value>> {
    let Some(mut criteria) = props.child("FilterCriteria")? else { return Ok(Vec::new()) };
    let filters = criteria.take("Filters")?.unwrap_or_default();
    criteria.finish()?;
    let filters = filters.as_array().cloned().unwrap_or_default();
    filters
        .iter()
        .map(|filter| {
            let text = filter["Pattern"].as_str().context("a filter has a Pattern, JSON text")?;
            let pattern = serde_json::from_str(text).context("a filter's Pattern is not JSON")?;
            Filter::parse(&pattern)?;
            Ok(pattern)
        })
        .collect::<Result<_>>()
        .or_else(|problem: anyhow::Error| props.fail(format!("FilterCriteria: {problem:#}")))
}

/// `arn:aws:<service>:<region>:<account>:<resource>`.
fn source(arn: &str) -> Option<Source> {
    let mut parts = arn.splitn(6, ':');
    let service = parts.nth(2)?;
    let resource = parts.nth(2)?;
    match service {
        "dynamodb" => {
            let (table, _) = resource.strip_prefix("table/")?.split_once("/stream/")?;
            Some(Source::TableStream { table: table.to_owned() })
        }
        "kinesis" => Some(Source::Kinesis { stream: resource.strip_prefix("stream/")?.to_owned() }),
        "sqs" => Some(Source::Queue { queue: resource.to_owned() }),
        _ => None,
    }
}

/// What Lambda refuses when it creates a mapping.
pub(super) fn check(spec: &Spec) -> Result<()> {
    let queue = |name: &str| spec.queues.iter().find(|queue| queue.name == name);
    for mapping in &spec.mappings {
        let name = &mapping.name;
        match &mapping.source {
            Source::TableStream { table } => ensure!(
                spec.tables.iter().any(|declared| &declared.name == table),
                "{name}: the template has no table {table}"
            ),
            Source::Kinesis { stream } => ensure!(
                spec.streams.iter().any(|declared| &declared.name == stream),
                "{name}: the template has no stream {stream}"
            ),
            Source::Queue { queue: source } => {
                let declared =
                    queue(source).with_context(|| format!("{name}: there is no queue {source}"))?;
                let visibility = declared.attributes.get("VisibilityTimeout");
                let visibility = visibility.map_or(Ok(30), |text| text.parse())?;
                let timeout = spec.functions[&mapping.function].timeout;
                ensure!(
                    Duration::from_secs(visibility) >= timeout,
                    "{name}: the queue's visibility timeout of {visibility} s is shorter than the \
                     function's timeout of {} s",
                    timeout.as_secs()
                );
            }
        }
        if let Some(failures) = &mapping.on_failure_queue {
            ensure!(queue(failures).is_some(), "{name}: there is no queue {failures}");
        }
    }
    Ok(())
}
