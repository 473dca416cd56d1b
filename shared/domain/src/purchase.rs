//! A purchase that has a life of its own: paid with money through a provider, or
//! out of a limited stock. The one place that knows its states.
//!
//! ```text
//!            Pending              Paid                     Refunded, ChargedBack
//! created ───────────► pending ─────────► succeeded ─────► refunded | charged_back
//!    │                    │                                   ▲
//!    ├── Declined ────────┴──────────────► failed ──┐         │ (nothing to take back)
//!    └── Canceled ────────┴──────────────► expired ─┤         │
//!                                                   │ Paid    │
//!                                                   ▼         │
//!                      a pack: succeeded;  a held package: grant_failed
//! ```
//!
//! Events arrive in any order, any number of times and at once: from the provider's
//! answer, its notices, a settle call and the clean-up. [`Status::after`] is the whole
//! machine; an event that leads nowhere changes nothing. No way leads back to a state
//! that was left, so a purchase is granted once at most, and its hold given back once.
//!
//! Money has the last word: a payment that turns out paid after it was given up is
//! granted all the same, and where that cannot be (the stock is gone, the balance is
//! full) the purchase is `grant_failed` until the provider has paid the money back.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{AttemptId, Gold, Overflow, PlayerId, ReceiptId, catalog::STREAK_PROTECTION};

/// When a payment that nobody has heard of is asked about, and then given up.
pub const PENDING_FOR: SignedDuration = SignedDuration::from_mins(15);

/// Real money, in the currency's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    pub amount_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
}

impl Money {
    /// The amount `count` times.
    ///
    /// # Errors
    /// [`Overflow`] when it does not fit.
    pub fn times(&self, count: u32) -> Result<Self, Overflow> {
        let amount_minor = self.amount_minor.checked_mul(i64::from(count)).ok_or(Overflow)?;
        Ok(Self { amount_minor, currency: self.currency.clone() })
    }
}

/// What something costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    Gold(Gold),
    Money(Money),
}

impl Price {
    /// The price of `count`.
    ///
    /// # Errors
    /// [`Overflow`] when it does not fit.
    pub fn times(&self, count: u32) -> Result<Self, Overflow> {
        Ok(match self {
            Self::Gold(gold) => Self::Gold(gold.times(i64::from(count))?),
            Self::Money(money) => Self::Money(money.times(count)?),
        })
    }

    /// Whether it is above nothing.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        match self {
            Self::Gold(gold) => gold.units() > 0,
            Self::Money(money) => money.amount_minor > 0,
        }
    }

    /// Whether both are paid in the same way, so that one can take the other's place.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gold(_), Self::Gold(_)) => true,
            (Self::Money(a), Self::Money(b)) => a.currency == b.currency,
            _ => false,
        }
    }
}

/// What a purchase gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    #[serde(default, skip_serializing_if = "Gold::is_zero")]
    pub gold: Gold,
    /// How many, by item code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub items: BTreeMap<String, u32>,
}

impl Granted {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.gold == Gold::ZERO && self.items.is_empty()
    }

    /// The same `count` times.
    ///
    /// # Errors
    /// [`Overflow`] when it does not fit.
    pub fn times(&self, count: u32) -> Result<Self, Overflow> {
        let items = self
            .items
            .iter()
            .map(|(code, each)| Ok((code.clone(), each.checked_mul(count).ok_or(Overflow)?)));
        Ok(Self {
            gold: self.gold.times(i64::from(count))?,
            items: items.collect::<Result<_, Overflow>>()?,
        })
    }

    /// Streak protections among the items.
    #[must_use]
    pub fn protections(&self) -> u32 {
        self.items.get(STREAK_PROTECTION).copied().unwrap_or(0)
    }
}

/// What a refund or chargeback took back of what had been granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clawback {
    /// Gold that was still there.
    pub taken: Gold,
    /// Gold that was not: the player's debt.
    pub owed: Gold,
    /// Streak protections, as far as they are still there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub protections: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Where a purchase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Recorded; the provider may not have heard of it yet.
    Created,
    /// The provider has it and has not decided.
    Pending,
    /// Paid and granted.
    Succeeded,
    /// The provider declined; nothing was paid.
    Failed,
    /// Given up, and called off with the provider; nothing was paid.
    Expired,
    /// Paid, but it could not be granted: the money is on its way back.
    GrantFailed,
    /// The money went back.
    Refunded,
    /// The player's bank took the money back.
    ChargedBack,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Pending,
        Self::Succeeded,
        Self::Failed,
        Self::Expired,
        Self::GrantFailed,
        Self::Refunded,
        Self::ChargedBack,
    ];

    /// The status as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::GrantFailed => "grant_failed",
            Self::Refunded => "refunded",
            Self::ChargedBack => "charged_back",
        }
    }

    /// Whether the clean-up has still to look after it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Created | Self::Pending | Self::GrantFailed)
    }

    /// Whether stock is kept back for it.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Created | Self::Pending)
    }

    /// Where `event` leads from here; `None` where it changes nothing. `limited`:
    /// whether the purchase is out of a stock.
    #[must_use]
    pub const fn after(self, event: &Event, limited: bool) -> Option<Self> {
        match (self, event) {
            (Self::Created, Event::Pending) => Some(Self::Pending),
            (Self::Created | Self::Pending, Event::Paid) => Some(Self::Succeeded),
            (Self::Created | Self::Pending, Event::Declined { .. }) => Some(Self::Failed),
            (Self::Created | Self::Pending, Event::Canceled) => Some(Self::Expired),
            // Given up, and paid all the same. Its stock has gone back and may be sold.
            (Self::Failed | Self::Expired, Event::Paid) => {
                Some(if limited { Self::GrantFailed } else { Self::Succeeded })
            }
            // Whether or not anybody has told us before that it was paid.
            (
                Self::Created
                | Self::Pending
                | Self::Succeeded
                | Self::Failed
                | Self::Expired
                | Self::GrantFailed,
                Event::Refunded,
            ) => Some(Self::Refunded),
            (
                Self::Created
                | Self::Pending
                | Self::Succeeded
                | Self::Failed
                | Self::Expired
                | Self::GrantFailed,
                Event::ChargedBack,
            ) => Some(Self::ChargedBack),
            // Old news, or news about money that has gone back.
            (Self::Pending, Event::Pending)
            | (
                Self::Succeeded | Self::GrantFailed,
                Event::Pending | Event::Paid | Event::Declined { .. } | Event::Canceled,
            )
            | (
                Self::Failed | Self::Expired,
                Event::Pending | Event::Declined { .. } | Event::Canceled,
            )
            | (Self::Refunded | Self::ChargedBack, _) => None,
        }
    }
}

/// What is learned of a payment, from whomever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The provider has it and has not decided.
    Pending,
    /// The money has come.
    Paid,
    /// The money will not come.
    Declined { reason: String },
    /// Called off with the provider: the money will not come.
    Canceled,
    /// The money went back, all of it.
    Refunded,
    /// The player's bank took the money back, all of it.
    ChargedBack,
}

impl Event {
    /// Its name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Declined { .. } => "declined",
            Self::Canceled => "canceled",
            Self::Refunded => "refunded",
            Self::ChargedBack => "charged_back",
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn all() -> [Self; 6] {
        [
            Self::Pending,
            Self::Paid,
            Self::Declined { reason: "declined".to_owned() },
            Self::Canceled,
            Self::Refunded,
            Self::ChargedBack,
        ]
    }
}

/// That a purchase was looked at for fraud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessed {
    pub attempt: AttemptId,
    /// It goes through, and somebody should look at it.
    pub flagged: bool,
}

/// Stock kept back for a purchase, or sold by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Of which limited package.
    pub package: String,
    /// How much of which shard.
    pub taken: Vec<Taken>,
    /// The promo code of which one use goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promo: Option<String>,
}

/// Units of one shard of a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub shard: u16,
    pub units: u32,
}

/// A purchase with a life of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    pub receipt: ReceiptId,
    pub player: PlayerId,
    /// The product's id, or the limited package's code.
    pub product: String,
    pub quantity: u32,
    /// Of all of it.
    pub price: Price,
    /// What all of it gives.
    pub grants: Granted,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clawback: Option<Clawback>,
    /// What was decided on it before it began, if it is paid with money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessed: Option<Assessed>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// From when on the clean-up asks the provider, while it is open.
    pub due_at: Timestamp,
}

impl Purchase {
    /// Where `event` leads; `None` where it changes nothing.
    #[must_use]
    pub const fn after(&self, event: &Event) -> Option<Status> {
        self.status.after(event, self.hold.is_some())
    }

    /// Whether a payment is the one that this purchase asks for.
    #[must_use]
    pub fn is_paid_by(&self, product: &str, amount_minor: i64, currency: &str) -> bool {
        let Price::Money(money) = &self.price else { return false };
        self.product == product
            && money.amount_minor == amount_minor
            && money.currency.eq_ignore_ascii_case(currency)
    }
}

#[cfg(test)]
mod tests;
