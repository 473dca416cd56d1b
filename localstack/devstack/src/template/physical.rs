//! What `Ref` and `GetAtt` give for each kind of resource.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{
    IMPLICIT_HTTP_API,
    intrinsics::{Resolver, Resource, scalar_text},
};

impl Resolver {
    /// The declared resource, if its condition holds.
    pub fn resource(&self, id: &str) -> Result<&Resource> {
        let resource =
            self.resources.get(id).with_context(|| format!("there is no resource {id}"))?;
        if let Some(condition) = &resource.condition {
            ensure!(self.condition(condition)?, "{id} does not exist: {condition} is false");
        }
        Ok(resource)
    }

    /// What `Ref` gives.
    pub fn physical_id(&self, id: &str) -> Result<String> {
        if let Some(role) = self.generated_role(id) {
            return Ok(role);
        }
        if id == IMPLICIT_HTTP_API && !self.resources.contains_key(id) {
            return Ok(self.pseudo.api_id(id));
        }
        match self.resource(id)?.kind.as_str() {
            "AWS::Serverless::HttpApi" | "AWS::Serverless::Api" | "AWS::ApiGatewayV2::Api" => {
                Ok(self.pseudo.api_id(id))
            }
            "AWS::ApiGatewayV2::Integration" | "AWS::ApiGatewayV2::Route" => {
                Ok(id.to_ascii_lowercase())
            }
            "AWS::SQS::Queue" => Ok(self.pseudo.queue_url(&self.name(id)?)),
            "AWS::SNS::Topic" => Ok(self.pseudo.arn("sns", &self.name(id)?)),
            _ => self.name(id),
        }
    }

    /// What `GetAtt` gives.
    pub fn attribute(&self, id: &str, attribute: &str) -> Result<Value> {
        let pseudo = &self.pseudo;
        if let (Some(role), "Arn") = (self.generated_role(id), attribute) {
            return Ok(
                format!("arn:{}:iam::{}:role/{role}", pseudo.partition, pseudo.account_id).into()
            );
        }
        if id == IMPLICIT_HTTP_API && !self.resources.contains_key(id) {
            return self.api_attribute(id, "https", attribute);
        }
        let resource = self.resource(id)?;
        let text = match (resource.kind.as_str(), attribute) {
            ("AWS::Serverless::Function" | "AWS::Lambda::Function", "Arn") => {
                pseudo.arn("lambda", &format!("function:{}", self.name(id)?))
            }
            ("AWS::DynamoDB::Table", "Arn") => pseudo.table_arn(&self.name(id)?),
            ("AWS::DynamoDB::Table", "StreamArn") => {
                ensure!(
                    resource.properties.contains_key("StreamSpecification"),
                    "table {id} has no stream"
                );
                pseudo.table_stream_arn(&self.name(id)?)
            }
            ("AWS::Kinesis::Stream", "Arn") => pseudo.kinesis_arn(&self.name(id)?),
            ("AWS::SQS::Queue", "Arn") => pseudo.queue_arn(&self.name(id)?),
            ("AWS::SQS::Queue", "QueueName") => self.name(id)?,
            ("AWS::SQS::Queue", "QueueUrl") => self.physical_id(id)?,
            ("AWS::Serverless::HttpApi", _) => return self.api_attribute(id, "https", attribute),
            ("AWS::ApiGatewayV2::Api", _) => return self.api_attribute(id, "wss", attribute),
            ("AWS::IAM::Role", "Arn") => format!(
                "arn:{}:iam::{}:role/{}",
                pseudo.partition,
                pseudo.account_id,
                self.name(id)?
            ),
            ("AWS::Logs::LogGroup", "Arn") => {
                pseudo.arn("logs", &format!("log-group:{}:*", self.name(id)?))
            }
            ("AWS::SNS::Topic", "TopicArn") => pseudo.arn("sns", &self.name(id)?),
            (kind, _) => bail!("the attribute {attribute} of {id} ({kind}) is not modelled"),
        };
        Ok(text.into())
    }

    fn api_attribute(&self, id: &str, scheme: &str, attribute: &str) -> Result<Value> {
        match attribute {
            "ApiId" => Ok(self.pseudo.api_id(id).into()),
            "ApiEndpoint" => Ok(format!("{scheme}://{}", self.pseudo.api_host(id)).into()),
            _ => bail!("the attribute {attribute} of the API {id} is not modelled"),
        }
    }

    /// The function that an integration's URI invokes.
    pub fn function_behind(&self, uri: &str) -> Result<String> {
        let arn = uri.split_once("/functions/").map_or(uri, |(_, tail)| tail);
        let arn = arn.split('/').next().unwrap_or_default();
        let mut functions = self
            .resources
            .iter()
            .filter(|(_, resource)| resource.kind == "AWS::Serverless::Function");
        let found = functions.find(|(id, _)| {
            let name = self.name(id);
            name.is_ok_and(|name| self.pseudo.arn("lambda", &format!("function:{name}")) == arn)
        });
        Ok(found.with_context(|| format!("{uri} is no function here"))?.0.clone())
    }

    /// The explicit name, or the generated one.
    pub fn name(&self, id: &str) -> Result<String> {
        let resource = self.resource(id)?;
        let property = match resource.kind.as_str() {
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => "FunctionName",
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::Kinesis::Stream" | "AWS::SSM::Parameter" | "AWS::SecretsManager::Secret" => {
                "Name"
            }
            "AWS::ApiGatewayV2::Stage" => "StageName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::IAM::Role" => "RoleName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => "AlarmName",
            _ => "",
        };
        if let Some(name) = resource.properties.get(property)
            && let Some(name) = self.guarded(&format!("{id}.{property}"), || self.resolve(name))?
        {
            return scalar_text(&name);
        }
        let mut name = self.pseudo.generated_name(id);
        if resource.kind == "AWS::SQS::Queue"
            && let Some(fifo) = resource.properties.get("FifoQueue")
            && self.resolve(fifo)?.is_some_and(|fifo| scalar_text(&fifo).is_ok_and(|f| f == "true"))
        {
            name.push_str(".fifo");
        }
        Ok(name)
    }

    /// SAM makes `<Function>Role` for every function without a `Role`.
    fn generated_role(&self, id: &str) -> Option<String> {
        let function = id.strip_suffix("Role").filter(|_| !self.resources.contains_key(id))?;
        let resource = self.resources.get(function)?;
        (resource.kind == "AWS::Serverless::Function").then(|| self.pseudo.generated_name(id))
    }
}
