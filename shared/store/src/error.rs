//! What can go wrong at the table. Knows nothing of HTTP.

use domain::{PlayerId, Rejection};

/// A result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule said no; nothing changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The idempotency key belongs to another request; nothing changed.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error("player {0} does not exist")]
    PlayerNotFound(PlayerId),
    /// Others kept changing the same player. Nothing of this request was
    /// committed, unless an earlier attempt's outcome is unknown: the same key
    /// finds out.
    #[error("too many writers at once; gave up after {attempts} attempts")]
    Contended { attempts: u32 },
    /// The table did not answer, or answered that it cannot now. The outcome of
    /// a write is unknown: the same key finds out.
    #[error("the table is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An item is not what this build writes.
    #[error("item {pk}/{sk} cannot be read")]
    Corrupt {
        pk: String,
        sk: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request to the table itself was wrong: a bug.
    #[error("the table refused the request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether trying again, with the same key, may succeed.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Contended { .. } | Self::Unavailable(_) => true,
            Self::Rejected(_)
            | Self::KeyReused
            | Self::PlayerNotFound(_)
            | Self::Corrupt { .. }
            | Self::Refused(_) => false,
        }
    }
}

/// The outcome of a write whose condition says whether there is anything left to do.
pub fn done_or_needless<T, E, R>(
    answer: std::result::Result<T, aws_sdk_dynamodb::error::SdkError<E, R>>,
) -> Result<()>
where
    E: std::error::Error + aws_sdk_dynamodb::error::ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if_condition_held(answer).map(drop)
}

/// The answer to a write whose condition held; `None` when it did not.
pub fn if_condition_held<T, E, R>(
    answer: std::result::Result<T, aws_sdk_dynamodb::error::SdkError<E, R>>,
) -> Result<Option<T>>
where
    E: std::error::Error + aws_sdk_dynamodb::error::ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error)
            if error.as_service_error().and_then(|error| error.code())
                == Some("ConditionalCheckFailedException") =>
        {
            Ok(None)
        }
        Err(error) => Err(classify(error)),
    }
}

/// Sorts an SDK error of a read or a plain write.
pub fn classify<E, R>(error: aws_sdk_dynamodb::error::SdkError<E, R>) -> Error
where
    E: std::error::Error + aws_sdk_dynamodb::error::ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    use aws_sdk_dynamodb::error::SdkError;
    let refused = match &error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(service) => matches!(
            service.err().code(),
            Some("ValidationException" | "ResourceNotFoundException" | "AccessDeniedException")
        ),
        _ => false,
    };
    if refused { Error::Refused(Box::new(error)) } else { Error::Unavailable(Box::new(error)) }
}
