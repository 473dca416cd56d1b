//! Reads `template.yaml` into a [`Spec`].
//!
//! The template is AWS SAM. Everything the local stack acts on is resolved for
//! one stage; what only matters on AWS (alarms, permissions, log groups) is
//! skipped by an explicit list; anything else is an error that names the file
//! and the resource, because a setting that is silently ignored here would
//! make the local stack differ from the deployed one.

mod data;
mod functions;
mod intrinsics;
mod mapping;
mod names;
mod physical;
mod policy;
mod props;
mod sockets;
mod streams;
#[cfg(test)]
mod tests;
mod yaml;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

pub use self::names::Pseudo;
use self::{
    intrinsics::{Resolver, Resource, intrinsic},
    props::Props,
};
use crate::spec::Spec;

/// The API that SAM makes for `HttpApi` events without an `ApiId`.
const IMPLICIT_HTTP_API: &str = "ServerlessHttpApi";

/// Resources that have no effect on how the product behaves.
const AWS_ONLY: &[&str] = &[
    "AWS::ApiGateway::Account",
    "AWS::ApiGatewayV2::Deployment",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CloudWatch::InsightRule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Kinesis::ResourcePolicy",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
    "AWS::SecretsManager::Secret",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
];

/// Reads the template for one stage.
///
/// `parameters` are the stage's values for the template's `Parameters`; what
/// they leave out takes its default. An `AllowedPattern` is not checked.
///
/// # Errors
/// If the file cannot be read, an intrinsic cannot be resolved, or the template
/// asks for something that the local stack does not model.
pub fn load(path: &Path, parameters: &BTreeMap<String, String>, pseudo: &Pseudo) -> Result<Spec> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text, parameters, pseudo).with_context(|| path.display().to_string())
}

/// [`load`] from text.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, parameters: &BTreeMap<String, String>, pseudo: &Pseudo) -> Result<Spec> {
    let document = yaml::parse(text)?;
    let globals = document["Globals"].as_object().cloned().unwrap_or_default();
    let resources = resources(&document, &globals)?;
    let resolver = Resolver::new(&document, parameters, pseudo, resources)?;
    let mut spec = Spec::default();
    let mut sockets = sockets::Sockets::default();
    let mut streams = streams::Streams::default();
    for (id, resource) in &resolver.resources {
        if let Some(condition) = &resource.condition
            && !resolver.condition(condition)?
        {
            continue;
        }
        let mut props =
            Props::new(&resolver, resource.properties.clone(), format!("resource {id}"));
        match resource.kind.as_str() {
            "AWS::Serverless::Function" => functions::function(id, &mut props, &mut spec)?,
            "AWS::Serverless::HttpApi" => functions::http_api(&mut props, &mut spec)?,
            "AWS::Serverless::Api" => streams.api(id, &mut props)?,
            "AWS::ApiGatewayV2::ApiMapping" => streams.mapping(&mut props)?,
            "AWS::Lambda::EventSourceMapping" => mapping::standalone(id, &mut props, &mut spec)?,
            "AWS::DynamoDB::Table" => spec.tables.push(data::table(id, &mut props)?),
            "AWS::Kinesis::Stream" => spec.streams.push(data::stream(id, &mut props)?),
            "AWS::SQS::Queue" => spec.queues.push(data::queue(id, &mut props)?),
            "AWS::ApiGatewayV2::Api" => sockets.api(id, &mut props)?,
            "AWS::ApiGatewayV2::Route" => sockets.route(&mut props)?,
            "AWS::ApiGatewayV2::Integration" => sockets.integration(id, &mut props)?,
            "AWS::ApiGatewayV2::Stage" => sockets.stage(&mut props)?,
            kind if AWS_ONLY.contains(&kind) => continue,
            kind => bail!("resource {id}: the local stack does not model {kind}"),
        }
        props.finish()?;
    }
    spec.socket_api = sockets.api_id(&resolver);
    spec.socket_routes = sockets.finish(&resolver)?;
    spec.stream_routes = streams.finish(&resolver)?;
    check(&mut spec)?;
    Ok(spec)
}

/// What CloudFormation or Lambda would refuse once all resources are known.
fn check(spec: &mut Spec) -> Result<()> {
    let mut routes = std::collections::BTreeSet::new();
    for route in &spec.http_routes {
        ensure!(
            routes.insert((route.method.as_str(), route.path.as_str())),
            "the route {} {} is declared twice",
            route.method,
            route.path
        );
    }
    data::order_queues(&mut spec.queues)?;
    for function in spec.functions.values() {
        if let Some(queue) = &function.on_failure_queue {
            ensure!(
                spec.queues.iter().any(|declared| &declared.name == queue),
                "{}: there is no queue {queue}",
                function.logical_id
            );
        }
    }
    mapping::check(spec)
}

fn resources(document: &Value, globals: &Map<String, Value>) -> Result<BTreeMap<String, Resource>> {
    let declared = document["Resources"].as_object().context("there are no Resources")?;
    declared
        .iter()
        .map(|(id, body)| {
            let kind = body["Type"].as_str().with_context(|| format!("resource {id}: no Type"))?;
            let mut properties = body["Properties"].as_object().cloned().unwrap_or_default();
            let section = match kind {
                "AWS::Serverless::Function" => "Function",
                "AWS::Serverless::HttpApi" => "HttpApi",
                _ => "",
            };
            if let Some(global) = globals.get(section).and_then(Value::as_object) {
                properties = merge(global, &properties);
            }
            let condition = body["Condition"].as_str().map(str::to_owned);
            Ok((id.clone(), Resource { kind: kind.to_owned(), properties, condition }))
        })
        .collect()
}

/// As SAM merges `Globals`: maps merge, lists are joined, anything else (and
/// whatever is an intrinsic function) is replaced by the resource's own.
fn merge(global: &Map<String, Value>, own: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = global.clone();
    for (key, own) in own {
        let value = match (merged.get(key), own) {
            (Some(Value::Object(global)), Value::Object(own))
                if intrinsic(global).is_none() && intrinsic(own).is_none() =>
            {
                Value::Object(merge(global, own))
            }
            (Some(Value::Array(global)), Value::Array(own)) => {
                global.iter().chain(own).cloned().collect()
            }
            _ => own.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}
