//! A Lambda function as a value: one JSON event in, one JSON answer out, or one that is
//! streamed.
//!
//! Every function crate builds one [`Function`] from [`Deps`]. Its `main.rs`
//! hands it to the Lambda runtime; the embedded stack calls the same value with
//! the same JSON, so a handler cannot tell the two apart.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture, stream::BoxStream};
use lambda_http::{Adapter, StreamAdapter, request::LambdaRequest};
use lambda_runtime::Diagnostic;
pub use lambda_runtime::{Context, Error, LambdaEvent, MetadataPrelude, StreamResponse};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower::Service;

use crate::{Deps, boxed};

/// An answer that is still being given: its head, and its body piece by piece.
pub type Streamed = StreamResponse<BoxStream<'static, Result<Bytes, Error>>>;

type Call = dyn Fn(LambdaEvent<Value>) -> BoxFuture<'static, Result<Value, Error>> + Send + Sync;

/// One Lambda function.
#[derive(Clone)]
pub struct Function(Kind);

#[derive(Clone)]
enum Kind {
    Http(axum::Router),
    Streaming(axum::Router),
    Trigger(Arc<Call>),
}

/// What invoked a function is no event of its kind.
#[derive(Debug, thiserror::Error)]
#[error("not an event of this function: {0}")]
pub struct InvalidEvent(#[from] serde_json::Error);

/// A function that streams was called for an answer in one piece, or the reverse.
#[derive(Debug, thiserror::Error)]
#[error("the function does not answer in this way")]
pub struct WrongMode;

impl Function {
    /// A function behind API Gateway's HTTP API (payload format 2.0).
    #[must_use]
    pub fn http(router: axum::Router) -> Self {
        Self(Kind::Http(router))
    }

    /// A function behind a REST API (payload format 1.0) that streams its answers.
    #[must_use]
    pub fn streaming(router: axum::Router) -> Self {
        Self(Kind::Streaming(router))
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
        Self(Kind::Trigger(Arc::new(move |event| {
            let handle = handle.clone();
            Box::pin(async move {
                let payload: E = serde_json::from_value(event.payload).map_err(InvalidEvent)?;
                Ok(serde_json::to_value(handle(payload, event.context).await?)?)
            })
        })))
    }

    /// Invokes the function once.
    ///
    /// # Errors
    /// Whatever Lambda would report as a function error; [`error_type`] is its name.
    #[boxed]
    pub async fn call(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        match &self.0 {
            Kind::Trigger(call) => call(event).await,
            Kind::Http(router) => {
                let request = serde_json::from_value(event.payload).map_err(InvalidEvent)?;
                let answer = answer(router, LambdaEvent::new(request, event.context)).await;
                Ok(serde_json::to_value(answer)?)
            }
            Kind::Streaming(_) => Err(WrongMode.into()),
        }
    }

    /// Invokes a function that streams once; its body goes on when this has returned.
    ///
    /// # Errors
    /// As [`Self::call`].
    #[boxed]
    pub async fn open(&self, event: LambdaEvent<Value>) -> Result<Streamed, Error> {
        let Kind::Streaming(router) = &self.0 else { return Err(WrongMode.into()) };
        let request = serde_json::from_value(event.payload).map_err(InvalidEvent)?;
        Ok(streamed(router, LambdaEvent::new(request, event.context)).await)
    }
}

/// The router's answer to a request, which goes on.
fn streamed(
    router: &axum::Router,
    mut event: LambdaEvent<LambdaRequest>,
) -> impl Future<Output = Streamed> + Send + use<> {
    crate::http::tame(&mut event.payload);
    // Started here and awaited below, as in `answer`.
    let answer = StreamAdapter::from(router.clone()).call(event);
    async {
        let StreamResponse { metadata_prelude, stream } =
            answer.await.unwrap_or_else(|never| match never {});
        let stream = stream.map(|piece| piece.map_err(Into::into)).boxed();
        StreamResponse { metadata_prelude, stream }
    }
}

/// The router's answer to a request.
fn answer(
    router: &axum::Router,
    mut event: LambdaEvent<LambdaRequest>,
) -> impl Future<Output = impl Serialize + use<>> + Send + use<> {
    crate::http::tame(&mut event.payload);
    // The adapter is not `Send`, what it starts is: a router is always ready, so it
    // is started here and awaited below.
    let answer = Adapter::from(router.clone()).call(event);
    async { answer.await.unwrap_or_else(|never| match never {}) }
}

/// A failure's `errorType`, as the function's caller and its log see it.
#[must_use]
pub fn error_type(error: &Error) -> &'static str {
    if error.is::<InvalidEvent>() { "InvalidEvent" } else { "Error" }
}

/// The whole `main` of a function crate: builds it from the process
/// environment, fetches its secrets and serves the Lambda Runtime API until told
/// to stop.
///
/// # Errors
/// A broken configuration, a secret that cannot be had, or the Runtime API going
/// away.
#[boxed(?Send)]
pub async fn run(build: fn(Deps) -> Result<Function, Error>) -> Result<(), Error> {
    crate::tracing::init();
    let deps = Deps::from_process();
    let function = build(deps.clone())?;
    deps.ready().await?;
    match function.0 {
        // Without a detour through `Value`.
        Kind::Http(router) => {
            lambda_runtime::run(lambda_runtime::service_fn(move |event| {
                let answer = answer(&router, event);
                async { Ok::<_, Error>(answer.await) }
            }))
            .await
        }
        Kind::Streaming(router) => {
            lambda_runtime::run(lambda_runtime::service_fn(move |event| {
                let answer = streamed(&router, event);
                async { Ok::<_, Error>(answer.await) }
            }))
            .await
        }
        Kind::Trigger(call) => {
            lambda_runtime::run(lambda_runtime::service_fn(move |event| {
                let answer = call(event);
                async {
                    answer.await.map_err(|error| Diagnostic {
                        error_type: error_type(&error).to_owned(),
                        error_message: error.to_string(),
                    })
                }
            }))
            .await
        }
    }
}
