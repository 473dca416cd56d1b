//! How everything in the local stack reaches a function.

use async_trait::async_trait;
use serde_json::Value;

/// Invokes functions by their logical id in the template.
#[async_trait]
pub trait Invoker: Send + Sync {
    /// Invokes once, synchronously, and returns the function's answer.
    ///
    /// # Errors
    /// What Lambda would report to the caller; see [`InvokeError`].
    async fn invoke(&self, function_logical_id: &str, payload: Value)
    -> Result<Value, InvokeError>;
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
