//! The one mapping from what rules and table say to what callers are told.
//! Exhaustive: a new rejection does not compile until it is worded.

use contract::{Code, Rule};
use domain::Rejection;
use jiff::SignedDuration;

use super::Problem;

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::InvalidInviteCode => {
                Self::new(Code::InvalidInviteCode).field("/invite_code", Rule::InvalidFormat)
            }
            Rejection::SiteIdTaken => Self::new(Code::SiteIdTaken),
            Rejection::NicknameTaken => Self::new(Code::NicknameTaken),
            Rejection::Underage { minimum_age_years } => {
                Self::new(Code::Underage).with("minimum_age_years", minimum_age_years)
            }
            // The token is genuine, but its session has ended or its role has changed.
            rejection @ Rejection::SignedOut => {
                Self::new(Code::Unauthenticated).caused_by(rejection)
            }
            Rejection::PasswordMoved => Self::new(Code::InvalidCredentials),
            Rejection::SessionOver => Self::new(Code::RefreshExpired),
            Rejection::PasswordChangeRequired => Self::new(Code::PasswordChangeRequired),
            Rejection::LoginLocked { retry_after } => {
                let seconds = whole_seconds(retry_after);
                Self::new(Code::LoginLocked)
                    .retry_after(seconds)
                    .with("retry_after_minutes", seconds.div_ceil(60))
            }
            Rejection::RateLimited { retry_after } => {
                Self::new(Code::RateLimited).retry_after(whole_seconds(retry_after))
            }
            Rejection::InviteCodeExists => Self::new(Code::InviteCodeExists),
            Rejection::AlreadyClaimed => Self::new(Code::AlreadyClaimed),
            Rejection::BetTooSmall { minimum } => {
                Self::new(Code::ValidationFailed).field("/bet", Rule::TooSmall(minimum.to_string()))
            }
            Rejection::BetTooLarge { maximum } => Self::new(Code::BetTooLarge)
                .field("/bet", Rule::TooLarge(maximum.to_string()))
                .with("maximum_bet", maximum.units()),
            Rejection::InsufficientFunds { needed, available } => {
                Self::new(Code::InsufficientFunds)
                    .with("needed_gold", needed.units())
                    .with("gold_balance", available.units())
            }
            Rejection::AmountOutOfRange => Self::new(Code::BalanceOverflow),
            Rejection::ProductNotFound => Self::new(Code::ProductNotFound),
            Rejection::QuantityOutOfRange { maximum } => Self::new(Code::ValidationFailed)
                .field("/quantity", Rule::TooLarge(maximum.to_string())),
            Rejection::WebhookEndpointNotFound => Self::new(Code::WebhookEndpointNotFound),
            Rejection::TooManyWebhookEndpoints { maximum } => {
                Self::new(Code::TooManyWebhookEndpoints).with("maximum", maximum)
            }
            rejection @ Rejection::WebhooksMoved => {
                Self::new(Code::ConflictRetry).caused_by(rejection)
            }
            Rejection::WebhookDeliveryNotFailed => Self::new(Code::WebhookDeliveryNotFailed),
            Rejection::InvalidClientSeed => {
                Self::new(Code::ValidationFailed).field("/client_seed", Rule::InvalidFormat)
            }
        }
    }
}

/// Rounded up: whoever comes back then is not too early.
fn whole_seconds(duration: SignedDuration) -> u32 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(0);
    u32::try_from(millis.div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Rejected(rejection) => rejection.into(),
            store::Error::KeyReused => Self::new(Code::IdempotencyKeyReused),
            // The token is genuine, but whoever it was issued to is gone.
            error @ store::Error::PlayerNotFound(_) => {
                Self::new(Code::Unauthenticated).caused_by(error)
            }
            error @ store::Error::Contended { .. } => {
                Self::new(Code::ConflictRetry).caused_by(error)
            }
            error @ store::Error::Unavailable(_) => Self::unavailable(error),
            error @ (store::Error::Corrupt { .. } | store::Error::Refused(_)) => {
                Self::internal(error)
            }
        }
    }
}

impl From<crate::secrets::SecretError> for Problem {
    fn from(error: crate::secrets::SecretError) -> Self {
        Self::unavailable(error)
    }
}
