//! What a stage costs in a month in which nobody comes.

use anyhow::{Context as _, Result};
use devstack::{spec::Spec, template};
use serde_yaml_ng::Value;
use std::{collections::BTreeSet, path::Path};

use crate::{assumed, prices, usage::float};

const HOURS: f64 = 730.0;
/// `HttpRequest` of the runtime has this many metrics for each route, and for all.
const METRICS_OF_A_ROUTE: u64 = 3;
/// Lambda's pollers of a queue, and the seconds that each waits for a message.
const POLLERS: f64 = 5.0;
const POLL_SECONDS: f64 = 20.0;
/// The longest retention of a stream that costs nothing.
const FREE_RETENTION_HOURS: f64 = 24.0;

/// Prints the block.
pub fn print(root: &Path, stage: &str) -> Result<()> {
    let mut given = devstack::parameters::of_stage(stage)?;
    // Where ClickHouse is makes no difference here.
    given.retain(|_, value| !value.contains("{{resolve:"));
    let spec = template::load(&root.join("template.yaml"), &given, &template::Pseudo::default())?;
    let text = std::fs::read_to_string(root.join("template.yaml"))?;
    let document: Value = serde_yaml_ng::from_str(&text)?;
    let resources = document["Resources"].as_mapping().context("Resources")?;
    let of_type = |kind: &str| resources.values().filter(|r| r["Type"] == kind).collect::<Vec<_>>();

    let shards: f64 = spec.streams.iter().map(|stream| f64::from(stream.shards)).sum();
    let retention: f64 = given.get("EventStreamRetentionHours").map_or(Ok(24.0), |h| h.parse())?;
    let kept = if retention > FREE_RETENTION_HOURS { shards * HOURS } else { 0.0 };
    let alarms: u64 = of_type("AWS::CloudWatch::Alarm").into_iter().map(metrics_of).sum();
    let polls = POLLERS * HOURS * 3600.0 / POLL_SECONDS * count(queues(&spec));
    let rows = [
        (&prices::SHARD_HOUR, shards * HOURS),
        (&prices::KEPT_SHARD_HOUR, kept),
        (&prices::ALARM, float(alarms)),
        (&prices::METRIC, count(routes(&spec) + 1) * float(METRICS_OF_A_ROUTE)),
        (&prices::DASHBOARD, count(of_type("AWS::CloudWatch::Dashboard").len())),
        (&prices::SECRET, count(secrets(&spec))),
        (&prices::KEY, count(of_type("AWS::KMS::Key").len())),
        (&prices::FIFO_REQUEST, polls),
    ];
    println!("\n{stage} in a month, whoever comes:");
    let mut total = 0.0;
    for (price, many) in rows {
        let dollars = price.of(many);
        total += dollars;
        println!("  {dollars:>9.2} $  {many:>10.0} {}", price.what);
    }
    println!("  {total:>9.2} $  in all");
    let gigabytes = assumed::ENTRY_KB * 1e6 / 1e6;
    println!(
        "  {:>9.2} $  more for each million journal entries that are kept",
        prices::TABLE_GB.of(gigabytes)
    );
    Ok(())
}

/// An alarm on an expression pays for each metric in it.
fn metrics_of(alarm: &Value) -> u64 {
    let metrics = alarm["Properties"]["Metrics"].as_sequence().into_iter().flatten();
    (metrics.filter(|metric| !metric["MetricStat"].is_null()).count() as u64).max(1)
}

fn routes(spec: &Spec) -> usize {
    spec.http_routes.iter().map(|route| &route.path).collect::<BTreeSet<_>>().len()
}

fn secrets(spec: &Spec) -> usize {
    let variables = spec.functions.values().flat_map(|function| &function.env);
    let names = variables.filter(|(variable, _)| variable.ends_with("_SECRET"));
    names.map(|(_, name)| name).collect::<BTreeSet<_>>().len()
}

/// Queues that a function waits at.
fn queues(spec: &Spec) -> usize {
    let sources = spec.mappings.iter().map(|mapping| &mapping.source);
    sources.filter(|source| matches!(source, devstack::spec::Source::Queue { .. })).count()
}

fn count(many: usize) -> f64 {
    float(many as u64)
}
