//! How often a secret may be guessed.
//!
//! An attempt is counted before the secret is looked at, so that a hundred at once
//! are no better than one after the other; one that was right is forgiven.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Rejection,
    limits::{Bucket, Limit},
};

/// Failures that lock, and how long each one counts.
pub const FAILURES: usize = 5;
pub const FAILURES_COUNT_FOR: SignedDuration = SignedDuration::from_mins(10);

/// What one kind of guesser may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts of any outcome.
    pub attempts: Option<Limit>,
    /// Failures within [`FAILURES_COUNT_FOR`] after which nothing is tried.
    pub failures: usize,
}

impl Policy {
    /// Guesses at one account's password, whoever makes them.
    pub const ACCOUNT: Self = Self { attempts: None, failures: FAILURES };

    /// Guesses from one address: `logins` in five minutes, whatever comes of them.
    #[must_use]
    pub const fn address(logins: u32, failures: usize) -> Self {
        let attempts = Limit { burst: logins, period: SignedDuration::from_mins(5) };
        Self { attempts: Some(attempts), failures }
    }
}

/// The recent attempts of one guesser, or on one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    #[serde(default)]
    pace: Bucket,
    /// Not yet known to be right, oldest first.
    #[serde(default)]
    failures: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failure {
    /// Epoch milliseconds.
    at: i64,
    /// What was guessed at, as the caller abbreviates it.
    on: String,
    /// Whose attempt it is, so that one is counted once however often it is written.
    by: u64,
}

impl Attempts {
    /// Counts the attempt `by` on `target`, as failed until [`Attempts::forgive`] says
    /// otherwise. One that is counted already stays as it is.
    ///
    /// # Errors
    /// [`Rejection::LoginLocked`] after too many failures, until the oldest of them
    /// no longer counts; [`Rejection::RateLimited`] after too many attempts.
    pub fn begin(
        &self,
        policy: Policy,
        target: &str,
        by: u64,
        now: Timestamp,
    ) -> Result<Self, Rejection> {
        if self.failures.iter().any(|failure| failure.by == by) {
            return Ok(self.clone());
        }
        let mut next = self.recent(now);
        if let Some(excess) = next.failures.len().checked_sub(policy.failures) {
            let oldest =
                next.failures.get(excess).map_or(now.as_millisecond(), |failure| failure.at);
            let free_at = oldest.saturating_add(window());
            let retry_after = SignedDuration::from_millis(free_at - now.as_millisecond());
            return Err(Rejection::LoginLocked { retry_after });
        }
        if let Some(limit) = policy.attempts {
            next.pace = next.pace.take(limit, now)?;
        }
        next.failures.push(Failure { at: now.as_millisecond(), on: target.to_owned(), by });
        Ok(next)
    }

    /// Forgets the failures on `target`: the secret is known after all.
    #[must_use]
    pub fn forgive(&self, target: &str, now: Timestamp) -> Self {
        let mut next = self.recent(now);
        next.failures.retain(|failure| failure.on != target);
        next
    }

    /// When there is nothing left to remember.
    #[must_use]
    pub fn forgotten_at(&self) -> Timestamp {
        let last = self.failures.last().map_or(0, |failure| failure.at.saturating_add(window()));
        Timestamp::from_millisecond(last).unwrap_or(Timestamp::MAX).max(self.pace.full_at())
    }

    /// Without what no longer counts.
    fn recent(&self, now: Timestamp) -> Self {
        let oldest = now.as_millisecond().saturating_sub(window());
        let recent = |failure: &&Failure| failure.at > oldest;
        Self { pace: self.pace, failures: self.failures.iter().filter(recent).cloned().collect() }
    }
}

const fn window() -> i64 {
    FAILURES_COUNT_FOR.as_secs() * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).expect("an instant")
    }

    /// Another attempt than any before.
    fn number() -> u64 {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn locked(seconds: i64) -> Result<Attempts, Rejection> {
        Err(Rejection::LoginLocked { retry_after: SignedDuration::from_secs(seconds) })
    }

    fn failed(times: &[i64]) -> Attempts {
        times.iter().fold(Attempts::default(), |attempts, second| {
            attempts.begin(Policy::ACCOUNT, "a", number(), at(*second)).expect("not locked yet")
        })
    }

    #[test]
    fn the_sixth_attempt_in_ten_minutes_waits_until_the_first_no_longer_counts() {
        let attempts = failed(&[0, 120, 240, 360, 480]);
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", number(), at(599)), locked(1));
        let attempts =
            attempts.begin(Policy::ACCOUNT, "a", number(), at(600)).expect("the first is gone");
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", number(), at(600)), locked(120));
    }

    #[test]
    fn a_right_password_clears_its_account_and_no_other() {
        let policy = Policy::address(20, 5);
        let mut attempts = Attempts::default();
        for target in ["mine", "yours", "yours", "yours", "mine"] {
            attempts = attempts.begin(policy, target, number(), at(0)).expect("not locked yet");
        }
        assert_eq!(attempts.begin(policy, "mine", number(), at(1)), locked(599));
        let forgiven = attempts.forgive("mine", at(1));
        let next = forgiven.begin(policy, "yours", number(), at(1)).expect("three on yours");
        let next = next.begin(policy, "yours", number(), at(1)).expect("four");
        assert_eq!(next.begin(policy, "mine", number(), at(1)), locked(599));
    }

    #[test]
    fn an_address_may_try_only_so_often_even_if_it_is_always_right() {
        let policy = Policy::address(20, 5);
        let mut attempts = Attempts::default();
        for _ in 0..20 {
            attempts = attempts.begin(policy, "a", number(), at(0)).expect("within the burst");
            attempts = attempts.forgive("a", at(0));
        }
        let retry_after = SignedDuration::from_secs(15);
        let refused = attempts.begin(policy, "a", number(), at(0));
        assert_eq!(refused, Err(Rejection::RateLimited { retry_after }));
        assert!(attempts.begin(policy, "a", number(), at(15)).is_ok());
        assert_eq!(attempts.forgotten_at(), at(300));
    }

    #[test]
    fn a_lower_limit_holds_at_once() {
        let attempts = failed(&[0, 1, 2, 3, 4]);
        let strict = Policy { failures: 3, ..Policy::ACCOUNT };
        assert_eq!(attempts.begin(strict, "a", number(), at(5)), locked(597));
    }

    #[test]
    fn an_attempt_that_is_written_twice_is_counted_once() {
        let policy = Policy::address(2, 5);
        let once = Attempts::default().begin(policy, "a", 1, at(0)).expect("the first");
        assert_eq!(once.begin(policy, "a", 1, at(0)), Ok(once.clone()));
        let twice = once.begin(policy, "a", 2, at(0)).expect("another");
        assert_ne!(twice, once);
        assert!(twice.begin(policy, "a", 3, at(0)).is_err());
    }
}
