//! A Lambda function as a value: one JSON event in, one JSON answer out.
//!
//! Every function crate builds one [`Function`] from [`Deps`]. Its `main.rs`
//! hands it to the Lambda runtime; the embedded stack calls the same value with
//! the same JSON, so a handler cannot tell the two apart.

use std::{future::Future, sync::Arc};

use futures::future::BoxFuture;
use lambda_http::{Adapter, request::LambdaRequest};
pub use lambda_runtime::{Context, Error, LambdaEvent};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower::Service;

use crate::Deps;

type Call = dyn Fn(LambdaEvent<Value>) -> BoxFuture<'static, Result<Value, Error>> + Send + Sync;

/// One Lambda function.
#[derive(Clone)]
pub struct Function(Arc<Call>);

impl Function {
    /// A function behind API Gateway's HTTP API (payload format 2.0).
    #[must_use]
    pub fn http(router: axum::Router) -> Self {
        Self::new(move |event| {
            // The adapter is not `Send`, what it starts is: a router is always
            // ready, so it can be started here and awaited there.
            let request = serde_json::from_value::<LambdaRequest>(event.payload);
            let started = request.map(|request| {
                Adapter::from(router.clone()).call(LambdaEvent::new(request, event.context))
            });
            async move {
                let answer = started?.await.unwrap_or_else(|never| match never {});
                Ok(serde_json::to_value(answer)?)
            }
        })
    }

    /// A function that a trigger invokes with an event of type `E`.
    ///
    /// # Errors
    /// An event that is not an `E` fails the invocation, as in Lambda.
    pub fn trigger<E, R, F, Fut>(handle: F) -> Self
    where
        E: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(E, Context) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Error>> + Send + 'static,
    {
        Self::new(move |event| {
            let handle = handle.clone();
            async move {
                let payload: E = serde_json::from_value(event.payload)?;
                Ok(serde_json::to_value(handle(payload, event.context).await?)?)
            }
        })
    }

    fn new<F, Fut>(call: F) -> Self
    where
        F: Fn(LambdaEvent<Value>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, Error>> + Send + 'static,
    {
        Self(Arc::new(move |event| Box::pin(call(event))))
    }

    /// Invokes the function once.
    ///
    /// # Errors
    /// Whatever Lambda would report as a function error.
    pub async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        (self.0)(event).await
    }
}

/// The whole `main` of a function crate: builds it from the process
/// environment and serves the Lambda Runtime API until told to stop.
///
/// # Errors
/// A broken configuration, or the Runtime API going away.
pub async fn run(build: impl FnOnce(Deps) -> Result<Function, Error>) -> Result<(), Error> {
    crate::tracing::init();
    let function = build(Deps::from_process().await)?;
    lambda_runtime::run(lambda_runtime::service_fn(move |event| {
        let function = function.clone();
        async move { function.call(event).await }
    }))
    .await
}
