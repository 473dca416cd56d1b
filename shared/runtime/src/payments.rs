//! The port to whoever takes real money: what the shop asks of a payment
//! provider, and what it is told.
//!
//! A purchase has one [`ReceiptId`], made before the provider is asked, and that
//! is the provider's idempotency key and our reference: whatever is lost on the
//! way, asking again about the same receipt finds the same payment. So there are
//! three answers to not knowing what happened, and none is guessing: charge the
//! same receipt again, [`look`](Provider::look), or [`cancel`](Provider::cancel),
//! after which the answer cannot change for the better any more.
//!
//! Behind the port are [`simulated`], a service of this repository that behaves as
//! providers do, and [`stripe`]. Which one is a setting, not a build:
//!
//! | variable | |
//! |---|---|
//! | `PAYMENT_PROVIDER` | `simulated` or `stripe` |
//! | `PAYMENT_PROVIDER_URL` | `http://…` or `https://…`; Stripe's own by default |
//! | `PAYMENT_PROVIDER_TIMEOUT_MS` | what one request may take; 6000 by default |
//! | `PAYMENT_PROVIDER_SECRET` | id of the secret `{"api_key": …}` |
//! | `PAYMENT_WEBHOOK_KEYS_SECRET` | id of the secret [`WebhookKeys::from_json`] reads |
//!
//! Tokens, keys and bodies are in no log and no `Debug`.

mod checkout;
mod config;
mod desk;
mod http;
mod keys;
mod notice;
#[cfg(test)]
mod recorder;
pub mod signature;
pub mod simulated;
pub mod stripe;

use std::{fmt, sync::Arc, time::Duration};

use contract::Secret;
use domain::{PlayerId, ReceiptId};
use futures::future::BoxFuture;

use crate::secrets::SecretError;

pub use checkout::{Checkout, Paying};
pub use config::{ConfigError, Payments};
pub use desk::{Desk, DeskError, Learned, Told};
pub use keys::{WebhookKeyError, WebhookKeys};
pub use notice::{Nonce, Notice, NoticeError, Notices};

/// What a purchase costs whom: the part of it that both sides must agree on.
///
/// The provider keeps it with the payment and gives it back, so that "amount and
/// product are those of the purchase" is one comparison of two of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Our reference and the provider's idempotency key.
    pub receipt: ReceiptId,
    pub player: PlayerId,
    pub product: String,
    /// In the currency's smallest unit: cents of USD, whole KRW.
    pub amount_minor: i64,
    /// ISO 4217, in capitals.
    pub currency: String,
}

/// What is asked of the provider for one purchase.
#[derive(Clone, Debug)]
pub struct Charge {
    pub order: Order,
    /// What the player's browser got from the provider for a card. We never see
    /// the card.
    pub token: Secret,
}

/// A payment, as the provider believes it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The provider's own name for it.
    pub id: String,
    pub order: Order,
    pub standing: Standing,
}

/// How far a payment is.
///
/// ```text
/// Pending ──► Succeeded ──► Refunded
///    │  │         └───────► ChargedBack ──► Succeeded  (the bank decided for us)
///    │  └─► Declined
///    └────► Canceled
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody knows yet.
    Pending,
    /// The money is ours.
    Succeeded,
    /// The bank or the provider said no, for good.
    Declined {
        /// The provider's code for it, such as `card_declined`: for the log and the
        /// audit, not a text for the player.
        reason: String,
    },
    /// We asked for it to be called off, and it was.
    Canceled,
    /// We gave the money back, all of it.
    Refunded,
    /// The bank took the money back.
    ChargedBack,
}

impl Standing {
    /// Its name on the wire and in logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Declined { .. } => "declined",
            Self::Canceled => "canceled",
            Self::Refunded => "refunded",
            Self::ChargedBack => "charged_back",
        }
    }
}

/// Why a provider gave no payment. None shows what was sent: a provider's own words
/// may quote a token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProviderError {
    /// No connection, or one that broke. Whether the request took effect is unknown.
    #[error("the payment provider cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// No answer in time. Whether the request took effect is unknown.
    #[error("the payment provider did not answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The provider is overloaded, broken, or at work on the same receipt. Whether
    /// the request took effect is unknown.
    #[error("the payment provider answered {status} {code}: later")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// The provider's code, or nothing.
        code: String,
    },
    /// The provider will not do it, and did not: our key, our request or the
    /// payment's standing is wrong. Somebody has to act.
    #[error("the payment provider refused with {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The provider's code, such as `not_refundable`.
        code: String,
    },
    /// An answer this program does not understand. Whether the request took effect
    /// is unknown; that it will be understood next time is unlikely.
    #[error("the payment provider's answer is not understood: {0}")]
    Unintelligible(&'static str),
    /// Our key for the provider cannot be had. Nothing was sent.
    #[error("the payment provider's key cannot be used")]
    Key(#[source] SecretError),
}

impl ProviderError {
    /// Whether the same request can succeed later without anyone changing anything.
    /// It may be repeated in any case: the receipt makes it the same request.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) | Self::Busy { .. } | Self::Key(_) => true,
            Self::Refused { .. } | Self::Unintelligible(_) => false,
        }
    }

    /// Whether the request certainly took no effect.
    #[must_use]
    pub fn without_effect(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Key(_) => true,
            Self::Unreachable(_)
            | Self::TimedOut(_)
            | Self::Busy { .. }
            | Self::Unintelligible(_) => false,
        }
    }
}

/// A payment and what went wrong instead.
pub type Answer<T> = BoxFuture<'static, Result<T, ProviderError>>;

/// Who takes the money. Every call may be repeated.
pub trait Provider: Send + Sync {
    /// Takes the money for an order. The same receipt again gives the first payment
    /// again, whatever the token. A token that is no good is a payment that was
    /// declined, not an error.
    fn charge(&self, charge: Charge) -> Answer<Payment>;

    /// The order's payment as it is now; `None` if the provider never heard of it.
    fn look(&self, order: Order) -> Answer<Option<Payment>>;

    /// Calls an order's payment off, and answers with what became of it: one that
    /// has succeeded stays so, and one that the provider cannot stop any more is
    /// still pending. An order it never heard of is remembered as canceled, so that
    /// a charge that arrives late takes no money.
    fn cancel(&self, order: Order) -> Answer<Payment>;

    /// Gives all the money back. One that was given back already is no error;
    /// anything but a payment that succeeded is refused.
    fn refund(&self, order: Order) -> Answer<Payment>;
}

impl fmt::Debug for dyn Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dyn Provider")
    }
}
