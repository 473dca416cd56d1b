//! How an invocation fails, as Lambda reports it.

use std::process::ExitStatus;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::invoke::InvokeError;

/// Why an execution environment gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The function said so; the environment lives on.
    #[error("{kind}: {}", String::from_utf8_lossy(body))]
    Reported {
        /// `Lambda-Runtime-Function-Error-Type`.
        kind: String,
        /// As it was posted.
        body: Bytes,
    },
    /// It failed before it asked for its first event.
    #[error("initialisation failed, {kind}: {}", String::from_utf8_lossy(body))]
    Init {
        /// `Lambda-Runtime-Function-Error-Type`.
        kind: String,
        /// As it was posted.
        body: Bytes,
    },
    /// The process ended.
    #[error("RequestId: {request_id} Error: {}", ended(*status))]
    Exit { request_id: String, status: ExitStatus },
    /// The function took longer than it may, and was killed.
    #[error("RequestId: {request_id} Error: Task timed out after {seconds}.00 seconds")]
    TimedOut { request_id: String, seconds: u64 },
    /// What the process answered cannot be passed on.
    #[error("the answer cannot be read: {reason}")]
    Answer { reason: String },
    /// The process could not be started.
    #[error("RequestId: {request_id} Error: {reason}")]
    Start { request_id: String, reason: String },
}

/// As Lambda words it.
fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(9)) => "Runtime exited with error: signal: killed".to_owned(),
        (None, signal) => {
            format!("Runtime exited with error: signal: {}", signal.unwrap_or_default())
        }
    }
}

impl Failure {
    pub(super) fn answer(reason: impl ToString) -> Self {
        Self::Answer { reason: reason.to_string() }
    }

    /// The payload that Lambda gives to the caller: `errorType` and
    /// `errorMessage`, or what the function posted.
    #[must_use]
    pub fn payload(&self) -> Value {
        let own = |kind: &str| json!({ "errorType": kind, "errorMessage": self.to_string() });
        match self {
            Self::Reported { kind, body } | Self::Init { kind, body } => {
                serde_json::from_slice(body).unwrap_or_else(|_| own(kind))
            }
            Self::Exit { .. } => own("Runtime.ExitError"),
            Self::TimedOut { .. } => own("Sandbox.Timedout"),
            Self::Answer { .. } => own("Runtime.InvalidResponse"),
            Self::Start { .. } => own("Runtime.InvalidEntrypoint"),
        }
    }

    /// Whether the environment can take another invocation.
    #[must_use]
    pub const fn leaves_it_alive(&self) -> bool {
        matches!(self, Self::Reported { .. })
    }
}

impl From<Failure> for InvokeError {
    fn from(failure: Failure) -> Self {
        if let Failure::TimedOut { .. } = failure {
            return Self::Timeout;
        }
        let payload = failure.payload();
        let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        Self::Function { error_type: text("errorType"), message: text("errorMessage") }
    }
}
