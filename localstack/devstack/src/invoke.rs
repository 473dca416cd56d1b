//! How everything in the local stack reaches a function.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream, stream::BoxStream};
use runtime::{Error, Streamed};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

/// Invokes functions by their logical id in the template.
#[async_trait]
pub trait Invoker: Send + Sync {
    /// Invokes once, synchronously, and returns the function's answer.
    ///
    /// # Errors
    /// What Lambda would report to the caller; see [`InvokeError`].
    async fn invoke(&self, function_logical_id: &str, payload: Value)
    -> Result<Value, InvokeError>;

    /// Invokes a function that streams, and returns its answer once that has begun. Whoever
    /// stands for functions that none does need not have it.
    ///
    /// # Errors
    /// What Lambda would report until then; later failures break the body off.
    async fn open(
        &self,
        function_logical_id: &str,
        _payload: Value,
    ) -> Result<Streamed, InvokeError> {
        Err(InvokeError::Function {
            error_type: "InvalidRequestContentException".to_owned(),
            message: format!("{function_logical_id} does not stream"),
        })
    }
}

/// Why an invocation gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The function ran longer than its `Timeout`.
    #[error("the function timed out")]
    Timeout,
    /// The function returned an error or panicked.
    #[error("{error_type}: {message}")]
    Function { error_type: String, message: String },
    /// Reserved concurrency is used up; the function did not run.
    #[error("the function is throttled")]
    Throttled,
}

impl InvokeError {
    /// There is no such function here.
    pub(crate) fn not_running(function_logical_id: &str) -> Self {
        Self::Function {
            error_type: "ResourceNotFoundException".to_owned(),
            message: format!("{function_logical_id} is not running"),
        }
    }
}

/// A body that breaks off at a deadline.
pub(crate) fn until(
    deadline: Instant,
    body: BoxStream<'static, Result<Bytes, Error>>,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout_at(deadline, body.next()).await {
            Ok(piece) => Some((piece?, Some(body))),
            Err(late) => Some((Err(Error::from(late)), None)),
        }
    })
}
