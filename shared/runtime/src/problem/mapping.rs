//! The one mapping from what rules and table say to what callers are told.
//! Exhaustive: a new rejection does not compile until it is worded.

use contract::{Code, Rule};
use domain::Rejection;
use jiff::SignedDuration;

use super::Problem;
use crate::payments::{DeskError, NoticeError, ProviderError};

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
            Rejection::ProductNotForGold => Self::new(Code::ProductNotForGold),
            Rejection::PurchaseNotFound => Self::new(Code::PurchaseNotFound),
            Rejection::PaymentMismatch => Self::new(Code::PaymentMismatch),
            Rejection::PackageNotFound => Self::new(Code::LimitedPackageNotFound),
            Rejection::PackageExists => Self::new(Code::LimitedPackageExists),
            Rejection::SaleNotOpen { starts_at } => {
                Self::new(Code::SaleNotOpen).with("starts_at", starts_at.to_string())
            }
            Rejection::SaleOver => Self::new(Code::SaleOver),
            Rejection::SoldOut => Self::new(Code::SoldOut),
            Rejection::CapReached { cap } => {
                Self::new(Code::PurchaseCapReached).with("per_user_cap", cap)
            }
            Rejection::InvalidPromoCode => {
                Self::new(Code::InvalidPromoCode).field("/promo_code", Rule::InvalidFormat)
            }
            Rejection::PromoCodeExists => Self::new(Code::PromoCodeExists),
            Rejection::PromoPriceUnlike => {
                Self::new(Code::ValidationFailed).field("/price", Rule::InvalidFormat)
            }
            Rejection::WebhookEndpointNotFound => Self::new(Code::WebhookEndpointNotFound),
            Rejection::TooManyWebhookEndpoints { maximum } => {
                Self::new(Code::TooManyWebhookEndpoints).with("maximum", maximum)
            }
            rejection @ Rejection::WebhooksMoved => {
                Self::new(Code::ConflictRetry).caused_by(rejection)
            }
            Rejection::WebhookDeliveryNotFailed => Self::new(Code::WebhookDeliveryNotFailed),
            Rejection::DeadLetterNotFound => Self::new(Code::DeadLetterNotFound),
            Rejection::InvalidClientSeed => {
                Self::new(Code::ValidationFailed).field("/client_seed", Rule::InvalidFormat)
            }
            Rejection::FraudRulesMoved => Self::new(Code::FraudRulesMoved),
            // Whoever is told so looks the decision up: it is no caller's to see.
            rejection @ Rejection::FraudAlreadyDecided => {
                Self::new(Code::ConflictRetry).caused_by(rejection)
            }
            Rejection::EmailNotPending => {
                Self::new(Code::EmailTokenInvalid).field("/token", Rule::InvalidFormat)
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

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        if error.retryable() { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Store(error) => error.into(),
            DeskError::Provider(error) => error.into(),
        }
    }
}

impl From<NoticeError> for Problem {
    fn from(error: NoticeError) -> Self {
        let code = match error {
            NoticeError::SignatureMissing => Code::WebhookSignatureMissing,
            NoticeError::SignatureMalformed => Code::WebhookSignatureMalformed,
            NoticeError::KeyUnknown => Code::WebhookKeyUnknown,
            NoticeError::TimestampOutOfRange => Code::WebhookTimestampOutOfRange,
            NoticeError::SignatureInvalid => Code::WebhookSignatureInvalid,
            NoticeError::Unreadable(_) => Code::WebhookBodyUnreadable,
            NoticeError::Keys(error) => return error.into(),
            NoticeError::Unresolved(error) => return error.into(),
        };
        Self::new(code).caused_by(error)
    }
}
