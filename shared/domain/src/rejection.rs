//! Why a command was refused. Nothing changed, nothing is remembered.

use jiff::{SignedDuration, Timestamp};

use crate::{Gold, Overflow};

/// A rule said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the invite code is not valid")]
    InvalidInviteCode,
    #[error("the site id is taken")]
    SiteIdTaken,
    #[error("the nickname is taken")]
    NicknameTaken,
    #[error("the player is younger than {minimum_age_years} years")]
    Underage { minimum_age_years: u8 },
    /// The token is genuine, but what it says is no longer so.
    #[error("the session has ended, or the role has changed")]
    SignedOut,
    #[error("the session of the refresh token is over")]
    SessionOver,
    #[error("the password must be changed first")]
    PasswordChangeRequired,
    /// The password was right, but has changed since it was looked at.
    #[error("the password has just changed")]
    PasswordMoved,
    #[error("too many failed attempts; {} s to go", retry_after.as_secs())]
    LoginLocked { retry_after: SignedDuration },
    #[error("too much at once; {} ms to go", retry_after.as_millis())]
    RateLimited { retry_after: SignedDuration },
    #[error("there is such an invite code already")]
    InviteCodeExists,
    #[error("the day is claimed already")]
    AlreadyClaimed,
    #[error("the bet is below {minimum} gold")]
    BetTooSmall { minimum: Gold },
    #[error("the bet is above {maximum} gold")]
    BetTooLarge { maximum: Gold },
    #[error("{needed} gold needed, {available} available")]
    InsufficientFunds { needed: Gold, available: Gold },
    #[error("an amount would leave the range of 64 bits")]
    AmountOutOfRange,
    #[error("there is no such product")]
    ProductNotFound,
    #[error("the quantity must be between 1 and {maximum}")]
    QuantityOutOfRange { maximum: u32 },
    #[error("the product is not paid for with gold")]
    ProductNotForGold,
    #[error("there is no such purchase")]
    PurchaseNotFound,
    /// A notice or an answer of the provider's is about other goods or other money.
    #[error("the payment is not what the purchase asks for")]
    PaymentMismatch,
    #[error("there is no such limited package")]
    PackageNotFound,
    #[error("there is such a package already")]
    PackageExists,
    #[error("the sale begins at {starts_at}")]
    SaleNotOpen { starts_at: Timestamp },
    #[error("the sale is over")]
    SaleOver,
    #[error("there are not so many left")]
    SoldOut,
    #[error("one player may buy {cap} at most")]
    CapReached { cap: u32 },
    #[error("the promo code is not valid")]
    InvalidPromoCode,
    #[error("there is such a promo code already")]
    PromoCodeExists,
    #[error("the promo price is not in the money of the package")]
    PromoPriceUnlike,
    #[error("the client seed must be 1 to 64 visible ASCII characters")]
    InvalidClientSeed,
    #[error("other fraud rules were put meanwhile")]
    FraudRulesMoved,
    /// By the same request at the same moment; its decision is the one.
    #[error("the purchase was assessed already")]
    FraudAlreadyDecided,
    /// The token is genuine, but the address it was sent to no longer waits.
    #[error("the address does not wait to be confirmed")]
    EmailNotPending,
    #[error("there is no such webhook endpoint")]
    WebhookEndpointNotFound,
    #[error("there are {maximum} webhook endpoints already")]
    TooManyWebhookEndpoints { maximum: usize },
    /// Somebody else changed an endpoint meanwhile: decide again.
    #[error("the webhook endpoints have just changed")]
    WebhooksMoved,
    #[error("the delivery has not failed")]
    WebhookDeliveryNotFailed,
    #[error("there is no such dead letter")]
    DeadLetterNotFound,
}

impl From<Overflow> for Rejection {
    fn from(Overflow: Overflow) -> Self {
        Self::AmountOutOfRange
    }
}
