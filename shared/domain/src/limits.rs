//! How fast is too fast. The one place that says so.
//!
//! What a signed-in player does is paced by a bucket in the player's state: the
//! command loads and writes it anyway, so pacing costs nothing, and what changed
//! nothing (a replay, a refusal) is not counted. What nobody has signed in for is
//! paced by a bucket of its own, see [`crate::attempts`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{EmailChange, Fact, Rejection};

/// `burst` at once, then `burst` more each `period`, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub burst: u32,
    pub period: SignedDuration,
}

/// What is paced together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Rewards claimed.
    Claim,
    /// Rounds played.
    Play,
    /// Purchases, those too that were refused as fraud.
    Buy,
    /// Names, passwords and sessions.
    Account,
    /// Mails that are sent to whoever the player names.
    Mail,
}

impl Pace {
    /// Fast enough for a person with an impatient finger and for bursts after a
    /// dead spot; too slow for a farm.
    #[must_use]
    pub const fn limit(self) -> Limit {
        match self {
            Self::Claim => Limit { burst: 5, period: SignedDuration::from_secs(10) },
            Self::Play => Limit { burst: 200, period: SignedDuration::from_secs(4) },
            Self::Buy => Limit { burst: 60, period: SignedDuration::from_secs(3) },
            Self::Account => Limit { burst: 60, period: SignedDuration::from_secs(60) },
            // Enough to mistype an address a few times; too little to pester anybody.
            Self::Mail => Limit { burst: 5, period: SignedDuration::from_hours(1) },
        }
    }

    /// What a fact counts as; `None` for what a player does not ask for.
    #[must_use]
    pub const fn of(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::StreakClaimed { .. } => Some(Self::Claim),
            Fact::RoundSettled { .. } => Some(Self::Play),
            Fact::ItemPurchased { .. }
            | Fact::PurchaseAdvanced { from: None, .. }
            | Fact::FraudDecided { .. } => Some(Self::Buy),
            Fact::FairnessRotated { .. }
            | Fact::SessionRefreshed { .. }
            | Fact::PlayerRenamed { .. }
            | Fact::PasswordChanged { .. }
            | Fact::InviteCodeIssued { .. }
            | Fact::LimitedPackageOffered { .. }
            | Fact::PromoCodeIssued { .. }
            | Fact::FraudRulesActivated { .. }
            | Fact::EmailChanged { change: EmailChange::Confirmed | EmailChange::Removed }
            | Fact::WebhookEndpointChanged { .. }
            | Fact::WebhookDeliveryReplayed { .. }
            | Fact::DeadLetterReplayed { .. } => Some(Self::Account),
            Fact::EmailChanged { change: EmailChange::Requested } => Some(Self::Mail),
            // Signing in is paced by address, signing out and leaving never; the
            // rest is the product's own work.
            Fact::PlayerSignedUp { .. }
            | Fact::PlayerLoggedIn { .. }
            | Fact::SessionClosed { .. }
            | Fact::SessionsClosed { .. }
            | Fact::PlayerErased { .. }
            | Fact::PlayerReset { .. }
            | Fact::StreakProtectionConsumed { .. }
            | Fact::StreakBroken { .. }
            | Fact::PurchaseAdvanced { from: Some(_), .. } => None,
        }
    }
}

/// A token bucket as the instant at which it will be full again ("generic cell
/// rate algorithm", ITU-T I.371): one number, nothing to refill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket {
    /// Epoch milliseconds; in the past for a full bucket.
    full_at: i64,
}

impl Bucket {
    /// The bucket with one token less.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] with the time until there is one.
    pub fn take(self, limit: Limit, now: Timestamp) -> Result<Self, Rejection> {
        let taken = self.taken(limit, now);
        let wait = taken.full_at - now.as_millisecond() - millis(limit.period);
        if wait > 0 {
            return Err(Rejection::RateLimited { retry_after: SignedDuration::from_millis(wait) });
        }
        Ok(taken)
    }

    /// The same whether there is one or not.
    fn taken(self, limit: Limit, now: Timestamp) -> Self {
        let token = millis(limit.period) / i64::from(limit.burst.max(1));
        Self { full_at: self.full_at.max(now.as_millisecond()).saturating_add(token) }
    }

    /// When the bucket is full and need not be remembered.
    #[must_use]
    pub fn full_at(self) -> Timestamp {
        Timestamp::from_millisecond(self.full_at).unwrap_or(Timestamp::MAX)
    }
}

const fn millis(duration: SignedDuration) -> i64 {
    duration.as_secs() * 1_000 + duration.subsec_millis() as i64
}

/// A player's buckets. Full ones are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Paces(BTreeMap<Pace, Bucket>);

impl Paces {
    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses what comes too fast.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`].
    pub fn allow(&self, fact: &Fact, now: Timestamp) -> Result<(), Rejection> {
        let Some(pace) = Pace::of(fact) else { return Ok(()) };
        self.0.get(&pace).copied().unwrap_or_default().take(pace.limit(), now).map(drop)
    }

    /// Counts what happened, and forgets full buckets.
    pub(crate) fn count(&mut self, fact: &Fact, at: Timestamp) {
        self.0.retain(|_, bucket| bucket.full_at() > at);
        if let Some(pace) = Pace::of(fact) {
            let bucket = self.0.entry(pace).or_default();
            *bucket = bucket.taken(pace.limit(), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_IN_TEN: Limit = Limit { burst: 5, period: SignedDuration::from_secs(10) };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_000_000_000 + millis).expect("an instant")
    }

    #[test]
    fn a_burst_passes_and_the_next_waits_for_one_token() {
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            bucket = bucket.take(FIVE_IN_TEN, at(0)).expect("within the burst");
        }
        let refused = |retry_after| {
            Err(Rejection::RateLimited { retry_after: SignedDuration::from_millis(retry_after) })
        };
        assert_eq!(bucket.take(FIVE_IN_TEN, at(0)), refused(2_000));
        assert_eq!(bucket.take(FIVE_IN_TEN, at(1_999)), refused(1));
        bucket = bucket.take(FIVE_IN_TEN, at(2_000)).expect("one token is there");
        assert_eq!(bucket.take(FIVE_IN_TEN, at(2_000)), refused(2_000));
        // Ten seconds later it is full: five again.
        for _ in 0..5 {
            bucket = bucket.take(FIVE_IN_TEN, at(12_000)).expect("full");
        }
        assert_eq!(bucket.take(FIVE_IN_TEN, at(12_000)), refused(2_000));
    }

    #[test]
    fn a_clock_that_runs_behind_gains_nothing() {
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            bucket = bucket.take(FIVE_IN_TEN, at(0)).expect("within the burst");
        }
        let refused = bucket.take(FIVE_IN_TEN, at(-5_000));
        let retry_after = SignedDuration::from_millis(7_000);
        assert_eq!(refused, Err(Rejection::RateLimited { retry_after }));
    }
}
