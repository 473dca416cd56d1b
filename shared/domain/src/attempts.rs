//! How often a secret may be guessed.
//!
//! An attempt is counted before the secret is looked at, so that a hundred at once
//! are no better than one after the other. From then on it is under way, until it is
//! said to have failed; one that was right is forgiven. Both take up room, but only
//! failures lock: whoever comes while others are under way is asked to come back.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Rejection,
    limits::{Bucket, Limit},
};

/// Failures that lock, and how long each one counts.
pub const FAILURES: usize = 5;
pub const FAILURES_COUNT_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How long an attempt may be under way. The functions that look at secrets run for 10 s
/// at most (`Timeout` in template.yaml), and their clocks may differ a little: whoever
/// began an older one and has not said how it ended has died, perhaps after seeing that
/// it was wrong.
pub const UNDER_WAY_FOR: SignedDuration = SignedDuration::from_secs(30);

/// When to come back if there is only no room because of attempts that are under way:
/// unless they have died, they will have ended by then.
const COME_BACK_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// What one kind of guesser may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts of any outcome.
    pub attempts: Option<Limit>,
    /// Failures within [`FAILURES_COUNT_FOR`] after which nothing is tried. Attempts
    /// that are under way take up their room.
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
    /// Not known to be right, oldest first: they have failed, or are under way.
    #[serde(default)]
    failures: Vec<Attempt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    /// Epoch milliseconds.
    at: i64,
    /// What was guessed at, as the caller abbreviates it.
    on: String,
    /// Whose attempt it is, so that one is counted once however often it is written.
    by: u64,
    /// Nobody has said yet how it ended. What was written before there was this is
    /// failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    under_way: bool,
}

impl Attempt {
    /// Whether it counts as failed: somebody said so, or nobody is left to say.
    fn has_failed(&self, now: Timestamp) -> bool {
        !self.under_way || self.at.saturating_add(millis(UNDER_WAY_FOR)) <= now.as_millisecond()
    }
}

impl Attempts {
    /// Counts the attempt `by` on `target`, as under way until [`Attempts::fail`],
    /// [`Attempts::forgive`] or [`Attempts::withdraw`] says how it ended. One that is
    /// counted already stays as it is.
    ///
    /// # Errors
    /// [`Rejection::LoginLocked`] after too many failures, until the oldest of them
    /// no longer counts; [`Rejection::RateLimited`] after too many attempts, or while
    /// so many are under way that they would be too many if they failed.
    pub fn begin(
        &self,
        policy: Policy,
        target: &str,
        by: u64,
        now: Timestamp,
    ) -> Result<Self, Rejection> {
        if self.failures.iter().any(|attempt| attempt.by == by) {
            return Ok(self.clone());
        }
        let mut next = self.recent(now);
        if next.failures.len() >= policy.failures {
            return Err(next.no_room(policy, now));
        }
        if let Some(limit) = policy.attempts {
            next.pace = next.pace.take(limit, now)?;
        }
        next.failures.push(Attempt {
            at: now.as_millisecond(),
            on: target.to_owned(),
            by,
            under_way: true,
        });
        Ok(next)
    }

    /// Why nothing more is tried, of attempts that fill the policy.
    fn no_room(&self, policy: Policy, now: Timestamp) -> Rejection {
        let failed: Vec<_> = self.failures.iter().filter(|one| one.has_failed(now)).collect();
        let Some(excess) = failed.len().checked_sub(policy.failures) else {
            return Rejection::RateLimited { retry_after: COME_BACK_AFTER };
        };
        let oldest = failed.get(excess).map_or(now.as_millisecond(), |failure| failure.at);
        let free_at = oldest.saturating_add(millis(FAILURES_COUNT_FOR));
        let retry_after = SignedDuration::from_millis(free_at - now.as_millisecond());
        Rejection::LoginLocked { retry_after }
    }

    /// The attempt `by` was wrong: it is no longer under way. One that has been
    /// forgiven meanwhile stays so.
    #[must_use]
    pub fn fail(&self, by: u64, now: Timestamp) -> Self {
        let mut next = self.recent(now);
        for attempt in next.failures.iter_mut().filter(|attempt| attempt.by == by) {
            attempt.under_way = false;
        }
        next
    }

    /// The attempt `by` came to nothing before the secret was looked at: there is room
    /// for another. What it took of the pace stays taken.
    #[must_use]
    pub fn withdraw(&self, by: u64, now: Timestamp) -> Self {
        let mut next = self.recent(now);
        next.failures.retain(|attempt| attempt.by != by);
        next
    }

    /// Forgets the attempts on `target`, those that are under way as well: the secret is
    /// known after all.
    #[must_use]
    pub fn forgive(&self, target: &str, now: Timestamp) -> Self {
        let mut next = self.recent(now);
        next.failures.retain(|attempt| attempt.on != target);
        next
    }

    /// When there is nothing left to remember.
    #[must_use]
    pub fn forgotten_at(&self) -> Timestamp {
        let window = millis(FAILURES_COUNT_FOR);
        let last = self.failures.last().map_or(0, |attempt| attempt.at.saturating_add(window));
        Timestamp::from_millisecond(last).unwrap_or(Timestamp::MAX).max(self.pace.full_at())
    }

    /// Without what no longer counts.
    fn recent(&self, now: Timestamp) -> Self {
        let oldest = now.as_millisecond().saturating_sub(millis(FAILURES_COUNT_FOR));
        let recent = |attempt: &&Attempt| attempt.at > oldest;
        Self { pace: self.pace, failures: self.failures.iter().filter(recent).cloned().collect() }
    }
}

/// Of whole seconds.
const fn millis(duration: SignedDuration) -> i64 {
    duration.as_secs() * 1_000
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

    fn come_back() -> Result<Attempts, Rejection> {
        Err(Rejection::RateLimited { retry_after: SignedDuration::from_secs(1) })
    }

    /// A wrong guess that has ended.
    fn guess(attempts: &Attempts, policy: Policy, target: &str, second: i64) -> Attempts {
        let by = number();
        let begun = attempts.begin(policy, target, by, at(second)).expect("not locked yet");
        begun.fail(by, at(second))
    }

    fn failed(times: &[i64]) -> Attempts {
        times.iter().fold(Attempts::default(), |attempts, second| {
            guess(&attempts, Policy::ACCOUNT, "a", *second)
        })
    }

    /// With one more under way for each of the numbers.
    fn begun(attempts: &Attempts, numbers: &[u64], second: i64) -> Attempts {
        numbers.iter().fold(attempts.clone(), |attempts, by| {
            attempts.begin(Policy::ACCOUNT, "a", *by, at(second)).expect("there is room")
        })
    }

    #[test]
    fn the_sixth_attempt_in_ten_minutes_waits_until_the_first_no_longer_counts() {
        let attempts = failed(&[0, 120, 240, 360, 480]);
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", number(), at(599)), locked(1));
        let attempts = guess(&attempts, Policy::ACCOUNT, "a", 600);
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", number(), at(600)), locked(120));
    }

    #[test]
    fn the_sixth_of_six_at_once_is_asked_to_come_back() {
        let attempts = begun(&Attempts::default(), &[1, 2, 3, 4, 5], 0);
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", 6, at(0)), come_back());
        // One of them was right.
        let attempts = attempts.forgive("a", at(0));
        assert!(attempts.begin(Policy::ACCOUNT, "a", 6, at(0)).is_ok());
    }

    #[test]
    fn a_lock_waits_until_all_are_known_to_have_failed() {
        let attempts = begun(&failed(&[0, 1, 2]), &[1_001, 1_002], 3);
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", 1_003, at(4)), come_back());
        let attempts = attempts.fail(1_002, at(3));
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", 1_003, at(4)), come_back());
        let attempts = attempts.fail(1_001, at(3));
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", 1_003, at(4)), locked(596));
    }

    #[test]
    fn whoever_began_and_never_ended_has_failed() {
        let attempts = begun(&failed(&[0, 1, 2, 3]), &[1_001], 10);
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", 1_002, at(39)), come_back());
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", 1_002, at(40)), locked(560));
        // It may still be right, or have been.
        assert!(attempts.forgive("a", at(10)).begin(Policy::ACCOUNT, "a", 1_002, at(40)).is_ok());
    }

    #[test]
    fn a_failure_that_is_said_twice_is_one() {
        let attempts = begun(&Attempts::default(), &[1, 2, 3, 4, 5], 0);
        let once = attempts.fail(1, at(0));
        assert_ne!(once, attempts);
        assert_eq!(once.fail(1, at(0)), once);
        assert_eq!(once.begin(Policy::ACCOUNT, "a", 6, at(0)), come_back());
        // Nor does it come back once it is forgiven.
        let forgiven = once.forgive("a", at(0));
        assert_eq!(forgiven.fail(1, at(0)), forgiven);
        assert_eq!(forgiven, Attempts::default());
    }

    #[test]
    fn one_that_is_withdrawn_makes_room_for_another() {
        let attempts = begun(&Attempts::default(), &[1, 2, 3, 4, 5], 0);
        let attempts = attempts.withdraw(3, at(0));
        assert_eq!(attempts.withdraw(3, at(0)), attempts);
        let attempts = begun(&attempts, &[6], 0);
        assert_eq!(attempts.begin(Policy::ACCOUNT, "a", 7, at(0)), come_back());
    }

    #[test]
    fn what_was_written_before_attempts_were_under_way_has_failed() {
        let written = r#"{"failures":[{"at":1795000000000,"on":"a","by":1}]}"#;
        let attempts: Attempts = serde_json::from_str(written).expect("an older counter");
        let strict = Policy { failures: 1, ..Policy::ACCOUNT };
        assert_eq!(attempts.begin(strict, "a", 2, at(0)), locked(600));
        let again = serde_json::to_value(&attempts).expect("JSON");
        assert_eq!(again["failures"][0].as_object().map(serde_json::Map::len), Some(3));
        let begun = begun(&Attempts::default(), &[1], 0);
        let text = serde_json::to_string(&begun).expect("JSON");
        let read: Attempts = serde_json::from_str(&text).expect("what was just written");
        assert_eq!(read, begun);
    }

    #[test]
    fn a_right_password_clears_its_account_and_no_other() {
        let policy = Policy::address(20, 5);
        let mut attempts = Attempts::default();
        for target in ["mine", "yours", "yours", "yours", "mine"] {
            attempts = guess(&attempts, policy, target, 0);
        }
        assert_eq!(attempts.begin(policy, "mine", number(), at(1)), locked(599));
        let forgiven = attempts.forgive("mine", at(1));
        let next = guess(&forgiven, policy, "yours", 1);
        let next = guess(&next, policy, "yours", 1);
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
