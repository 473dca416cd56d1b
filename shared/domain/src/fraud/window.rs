//! What was seen lately, each in one small item.
//!
//! A window is a list of the newest attempts, [`MOST_REMEMBERED`] at most, and not
//! buckets of counts: an attempt that is written twice is found in it and counted
//! once, ten minutes end after ten minutes and not with a bucket, and the item stays
//! below a kilobyte (payments: three). What it gives up is counting beyond the bound:
//! "fifty or more" is as far as rules can ask, and validation of rules says so.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::AttemptId;

/// Attempts that a window holds; older ones make room.
pub const MOST_REMEMBERED: usize = 50;

/// The short window.
pub const SHORT: SignedDuration = SignedDuration::from_mins(10);

/// The long window, after which an attempt is forgotten.
pub const LONG: SignedDuration = SignedDuration::from_hours(24);

/// Attempts of whoever they came from: an address, or a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// Epoch seconds, oldest first.
    #[serde(default)]
    at: Vec<i64>,
    /// Which attempts they were, in the same order.
    #[serde(default)]
    pub(super) by: Vec<u32>,
}

impl Sightings {
    /// Counts the attempt. One that is counted already stays as it is.
    #[must_use]
    pub fn count(&self, attempt: AttemptId, now: Timestamp) -> Self {
        if self.by.contains(&attempt.short()) {
            return self.clone();
        }
        let oldest = second_before(LONG, now);
        let mut all: Vec<_> = self.at.iter().copied().zip(self.by.iter().copied()).collect();
        all.retain(|(at, _)| *at > oldest);
        all.push((now.as_second(), attempt.short()));
        // Clocks of two machines differ.
        all.sort_by_key(|(at, _)| *at);
        all.drain(..all.len().saturating_sub(MOST_REMEMBERED));
        let (at, by) = all.into_iter().unzip();
        Self { at, by }
    }

    /// Attempts within the last `span`, up to [`MOST_REMEMBERED`].
    #[must_use]
    pub fn within(&self, span: SignedDuration, now: Timestamp) -> u64 {
        let oldest = second_before(span, now);
        self.at.iter().filter(|at| **at > oldest).count() as u64
    }

    /// When there is nothing left to remember, epoch seconds.
    #[must_use]
    pub fn forgotten_at(&self) -> i64 {
        self.at.last().map_or(0, |at| at.saturating_add(LONG.as_secs()))
    }
}

/// One attempt of a player.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Epoch seconds.
    #[serde(rename = "t")]
    at: i64,
    #[serde(rename = "n")]
    by: u32,
    /// The card, abbreviated from its keyed hash.
    #[serde(rename = "c")]
    card: u32,
    /// Minor units.
    #[serde(rename = "m")]
    amount: u64,
    #[serde(rename = "u")]
    currency: String,
    /// The provider did not take the money.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
}

impl Payment {
    /// An attempt at paying `amount_minor` with a card.
    #[must_use]
    pub fn new(
        attempt: AttemptId,
        card: u32,
        (amount_minor, currency): (u64, &str),
        now: Timestamp,
    ) -> Self {
        let (at, by) = (now.as_second(), attempt.short());
        Self { at, by, card, amount: amount_minor, currency: currency.to_owned(), failed: false }
    }
}

/// A player's attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payments {
    /// Oldest first.
    #[serde(default)]
    pub(super) recent: Vec<Payment>,
}

impl Payments {
    /// Counts the attempt. One that is counted already stays as it is.
    #[must_use]
    pub fn count(&self, payment: &Payment, now: Timestamp) -> Self {
        if self.recent.iter().any(|known| known.by == payment.by) {
            return self.clone();
        }
        let mut recent: Vec<_> = self.lately(now).cloned().collect();
        recent.push(payment.clone());
        recent.sort_by_key(|payment| payment.at);
        recent.drain(..recent.len().saturating_sub(MOST_REMEMBERED));
        Self { recent }
    }

    /// Notes that the attempt's payment failed. One that is forgotten stays so.
    #[must_use]
    pub fn fail(&self, attempt: AttemptId) -> Self {
        let mut next = self.clone();
        for payment in &mut next.recent {
            payment.failed |= payment.by == attempt.short();
        }
        next
    }

    /// When there is nothing left to remember, epoch seconds.
    #[must_use]
    pub fn forgotten_at(&self) -> i64 {
        self.recent.last().map_or(0, |payment| payment.at.saturating_add(LONG.as_secs()))
    }

    pub(super) fn cards(&self, now: Timestamp) -> u64 {
        let cards: BTreeSet<_> = self.lately(now).map(|payment| payment.card).collect();
        cards.len() as u64
    }

    pub(super) fn spread(&self, currency: &str, now: Timestamp) -> u64 {
        let amounts = || {
            let comparable = self.lately(now).filter(|payment| payment.currency == currency);
            comparable.map(|payment| payment.amount)
        };
        amounts().max().unwrap_or(0) - amounts().min().unwrap_or(0)
    }

    pub(super) fn failed(&self, now: Timestamp) -> u64 {
        self.lately(now).filter(|payment| payment.failed).count() as u64
    }

    fn lately(&self, now: Timestamp) -> impl Iterator<Item = &Payment> {
        let oldest = second_before(LONG, now);
        self.recent.iter().filter(move |payment| payment.at > oldest)
    }
}

fn second_before(span: SignedDuration, now: Timestamp) -> i64 {
    now.as_second().saturating_sub(span.as_secs())
}
