//! REST APIs that stream: API mapping → API → integration → function.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{intrinsics::Resolver, props::Props};
use crate::spec::StreamRoute;

/// All methods of the root, and of everything below.
const PATHS: [&str; 2] = ["/", "/{proxy+}"];
const ANY: &str = "x-amazon-apigateway-any-method";
const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// An API that streams.
struct Api {
    stage: String,
    integration: Integration,
}

/// What answers for it.
#[derive(PartialEq)]
struct Integration {
    uri: String,
    patience: Duration,
}

/// What has been read of them so far.
#[derive(Default)]
pub(super) struct Streams {
    /// By the API's id.
    apis: BTreeMap<String, Api>,
    /// The API's id and its path under the domain.
    mappings: Vec<(String, Option<String>)>,
}

impl Streams {
    pub fn api(&mut self, id: &str, props: &mut Props<'_>) -> Result<()> {
        let stage = props.required_text("StageName")?;
        let body = props.take("DefinitionBody")?.context("DefinitionBody is missing")?;
        let at = || format!("resource {id}: DefinitionBody");
        let integration = integration(&body).with_context(at)?;
        props.ignore(&[
            "AccessLogSetting",
            "AlwaysDeploy",
            "Description",
            "DisableExecuteApiEndpoint",
            "EndpointConfiguration",
            "MethodSettings",
            "Name",
            "OpenApiVersion",
            "PropagateTags",
            "Tags",
            "TracingEnabled",
        ]);
        self.apis.insert(props.resolver().pseudo.api_id(id), Api { stage, integration });
        Ok(())
    }

    pub fn mapping(&mut self, props: &mut Props<'_>) -> Result<()> {
        let api = props.required_text("ApiId")?;
        let key = props.text("ApiMappingKey")?;
        // There is one domain here, and one stage of each API.
        props.ignore(&["DomainName", "Stage"]);
        self.mappings.push((api, key));
        Ok(())
    }

    /// Where the domain has each API. One without a mapping is nowhere, as its own address
    /// is not served here.
    pub fn finish(self, resolver: &Resolver) -> Result<Vec<StreamRoute>> {
        let mut routes = Vec::new();
        for (api, key) in self.mappings {
            match (self.apis.get(&api), key) {
                (Some(Api { stage, integration }), Some(key)) => routes.push(StreamRoute {
                    path: format!("/{key}"),
                    stage: stage.clone(),
                    function: resolver.function_behind(&integration.uri)?,
                    patience: integration.patience,
                }),
                (None, None) => {}
                (Some(_), None) => bail!("{api}: the root of the domain is the HTTP API's"),
                (None, Some(key)) => bail!("{api}: only APIs that stream are mapped to a {key}"),
            }
        }
        Ok(routes)
    }
}

/// The one integration of a document: a Lambda proxy that streams, for whatever is asked.
fn integration(body: &Value) -> Result<Integration> {
    let paths = body["paths"].as_object().context("no paths")?;
    ensure!(paths.keys().eq(PATHS), "the local stack knows only the paths {PATHS:?}");
    let mut integrations = paths.iter().map(|(path, operations)| {
        let integration = &operations[ANY][INTEGRATION];
        for (name, value) in
            [("type", "aws_proxy"), ("httpMethod", "POST"), ("responseTransferMode", "STREAM")]
        {
            ensure!(integration[name] == value, "{path}: {name} is {value} for {ANY}");
        }
        let uri = integration["uri"].as_str().context("no uri")?;
        ensure!(uri.ends_with("/response-streaming-invocations"), "{path}: {uri} does not stream");
        let millis = integration["timeoutInMillis"].as_u64().context("no timeoutInMillis")?;
        Ok(Integration { uri: uri.to_owned(), patience: Duration::from_millis(millis) })
    });
    let first = integrations.next().context("no paths")??;
    for other in integrations {
        ensure!(other? == first, "the local stack knows one function for all paths");
    }
    Ok(first)
}
