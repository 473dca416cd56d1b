//! What lies beneath the AWS SDKs: a connector whose every attempt waits for the
//! scheduler, and timers that go by virtual time.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aws_sdk_dynamodb::config::{AsyncSleep, Sleep};
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

use crate::world::{Call, Failure, Reply, Shared};

/// The SDKs' HTTP client.
#[derive(Clone)]
pub struct Wire(pub Shared);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let world = self.0.clone();
        HttpConnectorFuture::new(async move {
            let call = read(&request)
                .ok_or_else(|| ConnectorError::other("no such service".into(), None))?;
            let ticket = world.lock().park(call);
            match (Turn { world, ticket }).await {
                Ok(Reply { status, body }) => {
                    let status = StatusCode::try_from(status).expect("a status");
                    Ok(HttpResponse::new(status, SdkBody::from(body)))
                }
                Err(Failure::Timeout) => Err(ConnectorError::timeout("no answer".into())),
                Err(Failure::Disconnect) => Err(ConnectorError::io("cut off".into())),
            }
        })
    }
}

fn read(request: &HttpRequest) -> Option<Call> {
    let body = request.body().bytes().unwrap_or_default().to_vec();
    let call = |service, operation: &str, socket: &str| Call {
        by: 0,
        function: "",
        service,
        operation: operation.to_owned(),
        body,
        socket: socket.to_owned(),
    };
    if let Some(target) = request.headers().get("x-amz-target") {
        let (prefix, operation) = target.split_once('.')?;
        let service = match prefix {
            "DynamoDB_20120810" => "dynamodb",
            "Kinesis_20131202" => "kinesis",
            "AmazonSQS" => "sqs",
            "secretsmanager" => "secretsmanager",
            _ => return None,
        };
        return Some(call(service, operation, ""));
    }
    let (_, socket) = request.uri().split_once("/@connections/")?;
    let socket = socket.split('?').next().unwrap_or(socket).replace("%3D", "=");
    let operation = match request.method() {
        "POST" => "PostToConnection",
        "DELETE" => "DeleteConnection",
        _ => return None,
    };
    Some(call("connections", operation, &socket))
}

/// Waits until the scheduler has decided.
pub struct Turn {
    pub world: Shared,
    pub ticket: u64,
}

impl Future for Turn {
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut world = self.world.lock();
        let parked = world.parked.get_mut(&self.ticket).expect("parked until it is answered");
        let Some(outcome) = parked.outcome.take() else {
            parked.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        world.parked.remove(&self.ticket);
        Poll::Ready(outcome)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.world.lock().abandon(self.ticket);
    }
}

/// Virtual timers.
#[derive(Clone, Debug)]
pub struct Timers(pub Shared);

impl AsyncSleep for Timers {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Timer { world: self.0.clone(), duration, key: None })
    }
}

struct Timer {
    world: Shared,
    duration: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let world = self.world.clone();
        let mut world = world.lock();
        let key = match self.key {
            Some(key) => key,
            None => {
                let key = (world.elapsed + self.duration, world.id());
                self.key = Some(key);
                key
            }
        };
        if key.0 <= world.elapsed {
            world.timers.remove(&key);
            return Poll::Ready(());
        }
        let by = world.current.0;
        world.timers.insert(key, (by, Some(context.waker().clone())));
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.world.lock().timers.remove(&key);
        }
    }
}
