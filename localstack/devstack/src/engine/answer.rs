//! The answer of an emulated service, before it is HTTP.

use serde::Serialize;
use serde_json::{Value, json};

/// A status and a JSON body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// 200 with `body`.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self { status: 200, body: serde_json::to_vec(body).expect("answers have string keys only") }
    }

    /// An error in the shape all AWS JSON protocols share.
    pub(crate) fn error(status: u16, kind: &str, message: &str) -> Self {
        Self {
            status,
            body: json!({ "__type": kind, "message": message }).to_string().into_bytes(),
        }
    }
}

/// What a service refuses a request with.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl ApiError {
    /// A 400 of type `kind`.
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, kind, message: message.into() }
    }
}

impl From<rusqlite::Error> for ApiError {
    /// What could not be kept must not be acknowledged.
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the spool refused a write");
        Self {
            status: 500,
            kind: "InternalFailure",
            message: "The request could not be stored.".to_owned(),
        }
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::new("SerializationException", error.to_string())
    }
}

impl From<Result<Value, ApiError>> for Answer {
    fn from(result: Result<Value, ApiError>) -> Self {
        match result {
            Ok(body) => Self::ok(&body),
            Err(error) => Self::error(error.status, error.kind, &error.message),
        }
    }
}
