//! The HTTP client of the AWS SDKs that does not leave the process.

use std::{fmt, sync::Weak, time::Duration};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    Engine,
    answer::Answer,
    fault::{Call, Service, Verdict},
    policy::Connection,
    ses,
};

/// Hands the requests of one caller to the engine.
#[derive(Clone)]
pub(super) struct InProcess {
    /// An SDK client must not keep the engine alive.
    engine: Weak<Engine>,
    caller: String,
}

/// Where a request goes.
struct Target {
    service: Service,
    operation: String,
    /// Stage and id; connections only.
    connection: (String, String),
}

impl InProcess {
    pub(super) fn new(engine: Weak<Engine>, caller: &str) -> Self {
        Self { engine, caller: caller.to_owned() }
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let engine = self.engine.upgrade().ok_or_else(|| io("the engine has shut down"))?;
        let target = Target::of(&request)
            .ok_or_else(|| io(&format!("no service answers for {}", request.uri())))?;
        let call = Call {
            caller: &self.caller,
            service: target.service,
            operation: &target.operation,
            connection: &target.connection.1,
            body: request.body().bytes().unwrap_or_default(),
        };
        let action = format!("{}:{}", call.service.prefix(), call.operation);
        engine.meter.called(call.caller, action);
        let fault = engine.fault();
        if let Some(fault) = &fault
            && let Some(failure) = act_on(fault.before(&call), &call).await
        {
            return failure;
        }
        let answer = engine.serve(&call, target.connection()).await;
        if let Some(fault) = &fault
            && let Some(failure) = act_on(fault.after(&call, answer.status), &call).await
        {
            return failure;
        }
        Ok(into_http(answer))
    }
}

impl Target {
    fn of(request: &HttpRequest) -> Option<Self> {
        if let Some(target) = request.headers().get("x-amz-target") {
            let (prefix, operation) = target.split_once('.')?;
            let service = match prefix {
                "DynamoDB_20120810" => Service::DynamoDb,
                "Kinesis_20131202" => Service::Kinesis,
                "AmazonSQS" => Service::Sqs,
                "secretsmanager" => Service::SecretsManager,
                _ => return None,
            };
            return Some(Self {
                service,
                operation: operation.to_owned(),
                connection: Default::default(),
            });
        }
        // SES speaks the query protocol: one path, and the operation in a form.
        let headers = request.headers();
        if headers.get("content-type") == Some("application/x-www-form-urlencoded") {
            return Some(Self {
                service: Service::Ses,
                operation: ses::operation(request.body().bytes().unwrap_or_default()),
                connection: Default::default(),
            });
        }
        let (endpoint, id) = request.uri().split_once("/@connections/")?;
        let stage = endpoint.rsplit('/').next().unwrap_or_default();
        let id = id.split('?').next().unwrap_or(id);
        let operation = match request.method() {
            "POST" => "PostToConnection",
            "GET" => "GetConnection",
            "DELETE" => "DeleteConnection",
            _ => return None,
        };
        Some(Self {
            service: Service::Connections,
            operation: operation.to_owned(),
            connection: (stage.to_owned(), percent_decode_str(id).decode_utf8_lossy().into_owned()),
        })
    }

    fn connection(&self) -> Connection<'_> {
        let (stage, id) = &self.connection;
        Connection { stage, id }
    }
}

/// What the SDK gets instead of an answer; `None` to go on.
async fn act_on(verdict: Verdict, call: &Call<'_>) -> Option<Result<HttpResponse, ConnectorError>> {
    let dynamo = call.service == Service::DynamoDb;
    let query = call.service == Service::Ses;
    let answer = match verdict {
        Verdict::Pass => return None,
        Verdict::Delay(time) => {
            wait(time).await;
            return None;
        }
        Verdict::Timeout => return Some(Err(ConnectorError::timeout("injected timeout".into()))),
        Verdict::Disconnect => return Some(Err(io("injected disconnect"))),
        Verdict::Throttle if matches!(call.service, Service::DynamoDb | Service::Kinesis) => {
            Answer::error(400, "ProvisionedThroughputExceededException", "injected throttle")
        }
        Verdict::Throttle if query => ses::error(400, "Throttling", "injected throttle"),
        Verdict::InternalError if query => {
            ses::error(500, "InternalFailure", "injected internal error")
        }
        Verdict::Throttle => Answer::error(400, "ThrottlingException", "injected throttle"),
        Verdict::TransactionConflict if call.operation.starts_with("Transact") => conflict(call),
        Verdict::TransactionConflict => {
            Answer::error(400, "TransactionConflictException", "injected conflict")
        }
        Verdict::InternalError if dynamo => {
            Answer::error(500, "InternalServerError", "injected internal error")
        }
        Verdict::InternalError => Answer::error(500, "InternalFailure", "injected internal error"),
    };
    Some(Ok(into_http(answer)))
}

#[expect(clippy::disallowed_methods, reason = "the delay is the fault")]
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// One reason for each item of the transaction, as DynamoDB has it.
fn conflict(call: &Call<'_>) -> Answer {
    let body: serde_json::Value = serde_json::from_slice(call.body).unwrap_or_default();
    let items = body["TransactItems"].as_array().map_or(1, Vec::len);
    let reasons = vec![
        json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
        items
    ];
    let codes = vec!["TransactionConflict"; items].join(", ");
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"),
        "CancellationReasons": reasons,
    });
    Answer { status: 400, body: body.to_string().into_bytes() }
}

fn into_http(answer: Answer) -> HttpResponse {
    let status = StatusCode::try_from(answer.status).expect("services answer with valid statuses");
    HttpResponse::new(status, SdkBody::from(answer.body))
}

fn io(message: &str) -> ConnectorError {
    ConnectorError::io(message.into())
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
