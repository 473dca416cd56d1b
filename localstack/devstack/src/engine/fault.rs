//! Injected faults: what AWS does on a bad day, on demand.

use std::{fmt, time::Duration};

/// A service that the engine answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    DynamoDb,
    Kinesis,
    Sqs,
    SecretsManager,
    Ses,
    /// `@connections` of the WebSocket API.
    Connections,
}

impl Service {
    /// The service's prefix in IAM actions.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Kinesis => "kinesis",
            Self::Sqs => "sqs",
            Self::SecretsManager => "secretsmanager",
            Self::Ses => "ses",
            Self::Connections => "execute-api",
        }
    }
}

/// One attempt of one SDK call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Name given to `sdk_config_for`; empty for `sdk_config`.
    pub caller: &'a str,
    pub service: Service,
    /// As the API names it: `TransactWriteItems`, `PostToConnection`.
    pub operation: &'a str,
    /// Which socket an `@connections` call is about; else empty.
    pub connection: &'a str,
    pub body: &'a [u8],
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Goes on after this long.
    Delay(Duration),
    /// No answer arrives; the SDK sees a timeout.
    Timeout,
    /// The connection breaks; the SDK sees an input/output error.
    Disconnect,
    /// `ProvisionedThroughputExceededException` (`ThrottlingException` where
    /// the service has no such error).
    Throttle,
    /// A cancelled transaction whose every reason is `TransactionConflict`
    /// (`TransactionConflictException` for a single-item write).
    TransactionConflict,
    /// 500 `InternalServerError`.
    InternalError,
}

/// Decides what goes wrong. Consulted on every attempt, so retries of the SDK
/// ask again.
pub trait Fault: fmt::Debug + Send + Sync + 'static {
    /// Before the engine sees the call: anything but `Pass` and `Delay` means
    /// that it had no effect.
    fn before(&self, call: &Call<'_>) -> Verdict {
        let _ = call;
        Verdict::Pass
    }

    /// After the engine answered with HTTP `status`: anything but `Pass` and
    /// `Delay` replaces the answer, the effect stays.
    fn after(&self, call: &Call<'_>, status: u16) -> Verdict {
        let _ = (call, status);
        Verdict::Pass
    }
}
