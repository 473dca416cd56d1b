//! The WebSocket API: route → integration → function.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::{intrinsics::Resolver, props::Props};
use crate::spec::SocketRoute;

/// How the built-in routes and a custom action are told apart.
const BUILT_IN: &[&str] = &["$connect", "$disconnect", "$default"];

/// What has been read of the WebSocket API so far.
#[derive(Default)]
pub(super) struct Sockets {
    api: Option<(String, String)>,
    /// Route key and target.
    routes: Vec<(String, String)>,
    /// By `integrations/<id>`: the integration's URI.
    integrations: BTreeMap<String, String>,
}

impl Sockets {
    pub fn api(&mut self, id: &str, props: &mut Props<'_>) -> Result<()> {
        let protocol = props.required_text("ProtocolType")?;
        if protocol != "WEBSOCKET" {
            return props.fail("an HTTP API is declared as AWS::Serverless::HttpApi");
        }
        if self.api.is_some() {
            return props.fail("the local stack serves one WebSocket API");
        }
        self.api = Some((id.to_owned(), props.required_text("RouteSelectionExpression")?));
        props.ignore(&["Description", "DisableExecuteApiEndpoint", "Name", "Tags"]);
        Ok(())
    }

    pub fn route(&mut self, props: &mut Props<'_>) -> Result<()> {
        props.required_text("ApiId")?;
        let key = props.required_text("RouteKey")?;
        let target = props.required_text("Target")?;
        props.only("AuthorizationType", "NONE")?;
        props.only("ApiKeyRequired", "false")?;
        props.ignore(&["OperationName"]);
        self.routes.push((key, target));
        Ok(())
    }

    pub fn integration(&mut self, id: &str, props: &mut Props<'_>) -> Result<()> {
        props.required_text("ApiId")?;
        props.only("IntegrationType", "AWS_PROXY")?;
        let uri = props.required_text("IntegrationUri")?;
        props.only("IntegrationMethod", "POST")?;
        props.only("ContentHandlingStrategy", "CONVERT_TO_TEXT")?;
        props.ignore(&["ConnectionType", "CredentialsArn", "Description", "PayloadFormatVersion"]);
        // API Gateway's own limit; the function's timeout is what is enforced.
        props.ignore(&["TimeoutInMillis"]);
        self.integrations.insert(format!("integrations/{}", id.to_ascii_lowercase()), uri);
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "reads like its neighbours")]
    pub fn stage(&mut self, props: &mut Props<'_>) -> Result<()> {
        props.required_text("ApiId")?;
        props.required_text("StageName")?;
        props.ignore(&[
            "AccessLogSettings",
            "AutoDeploy",
            "DefaultRouteSettings",
            "DeploymentId",
            "Description",
            "RouteSettings",
            "Tags",
        ]);
        Ok(())
    }

    /// The API's id, as addresses and ARNs have it.
    pub fn api_id(&self, resolver: &Resolver) -> Option<String> {
        self.api.as_ref().map(|(id, _)| resolver.pseudo.api_id(id))
    }

    /// Follows every route to its function.
    pub fn finish(self, resolver: &Resolver) -> Result<Vec<SocketRoute>> {
        self.routes
            .into_iter()
            .map(|(route_key, target)| {
                let (_, selection) = self.api.as_ref().context("a route without an API")?;
                ensure!(
                    BUILT_IN.contains(&route_key.as_str()) || selection == "$request.body.action",
                    "route {route_key}: routes are chosen by $request.body.action, not {selection}"
                );
                let uri = self
                    .integrations
                    .get(&target)
                    .with_context(|| format!("route {route_key}: there is no {target}"))?;
                let function =
                    resolver.function_behind(uri).with_context(|| format!("route {route_key}"))?;
                Ok(SocketRoute { route_key, function })
            })
            .collect()
    }
}
