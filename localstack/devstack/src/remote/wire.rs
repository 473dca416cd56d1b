//! AWS's JSON protocols, as far as the triggers need them.
//!
//! Emulators check no signatures; they take the region from the signature's
//! scope, so each request carries one that says it and proves nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{StatusCode, header};
use serde_json::Value;

use crate::invoke::InvokeError;

/// Longer than any function's `Timeout`.
const DEADLINE: Duration = Duration::from_mins(2);

/// A caller of one endpoint.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    region: String,
}

/// A service that speaks `X-Amz-Target`.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    Dynamo,
    DynamoStreams,
    Kinesis,
    Sqs,
}

impl Service {
    /// Name in a signature's scope, prefix of its targets, content type.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        let (json_1_0, json_1_1) = ("application/x-amz-json-1.0", "application/x-amz-json-1.1");
        match self {
            Self::Dynamo => ("dynamodb", "DynamoDB_20120810", json_1_0),
            Self::DynamoStreams => ("dynamodb", "DynamoDBStreams_20120810", json_1_0),
            Self::Kinesis => ("kinesis", "Kinesis_20131202", json_1_1),
            Self::Sqs => ("sqs", "AmazonSQS", json_1_0),
        }
    }
}

impl Client {
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new(endpoint: &str, region: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(DEADLINE).no_proxy().build()?;
        Ok(Self { http, endpoint: endpoint.to_owned(), region: region.to_owned() })
    }

    /// Calls an operation.
    ///
    /// # Errors
    /// There was no answer, or the service refused; with its own words.
    pub async fn call(&self, service: Service, operation: &str, input: &Value) -> Result<Value> {
        let (scope, prefix, content_type) = service.names();
        let answer = self
            .http
            .post(format!("{}/", self.endpoint))
            .header(header::AUTHORIZATION, self.unsigned(scope))
            .header(header::CONTENT_TYPE, content_type)
            .header("x-amz-target", format!("{prefix}.{operation}"))
            .body(input.to_string())
            .send()
            .await
            .with_context(|| format!("{operation} was not answered"))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{operation}: {status} {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("the answer of {operation}"))
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// As Lambda reports them. An endpoint that gives no answer counts as a
    /// throttled function: nothing is known to have run.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, InvokeError> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.endpoint);
        let request = self.http.post(url).header(header::AUTHORIZATION, self.unsigned("lambda"));
        let Ok(answer) = request.body(payload.to_string()).send().await else {
            return Err(InvokeError::Throttled);
        };
        let status = answer.status();
        let failed = answer.headers().contains_key("x-amz-function-error");
        let text = answer.text().await.map_err(|_| InvokeError::Throttled)?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let member = |name: &str| body[name].as_str().unwrap_or(&text).to_owned();
        match (status, failed) {
            (StatusCode::TOO_MANY_REQUESTS, _) => Err(InvokeError::Throttled),
            (_, true) if body["errorType"] == "Sandbox.Timedout" => Err(InvokeError::Timeout),
            (status, false) if status.is_success() => Ok(body),
            (_, true) => Err(InvokeError::Function {
                error_type: member("errorType"),
                message: member("errorMessage"),
            }),
            (status, false) => {
                Err(InvokeError::Function { error_type: status.to_string(), message: text })
            }
        }
    }

    fn unsigned(&self, service: &str) -> String {
        let scope = format!("20260101/{}/{service}/aws4_request", self.region);
        format!("AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=none")
    }
}
