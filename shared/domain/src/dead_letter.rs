//! Journal records that could not be published, and what becomes of them.
//!
//! A record that cannot be read is set aside, so that it holds up nobody, and tried
//! again [`TRIES`] times. Then it is a [`DeadLetter`]: kept until an operator has it
//! published, which succeeds once its item in the journal can be read.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::DeadLetterId;

/// How often a record that was set aside is tried before it is given up: within some
/// fourteen minutes.
pub const TRIES: u32 = 10;

/// A record that nobody tries any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub id: DeadLetterId,
    /// Where it is in the table, if it says so: partition and sort key.
    pub record: Option<RecordKey>,
    /// Why the last try failed.
    pub reason: String,
    /// Tries until it was given up.
    pub tries: u32,
    pub given_up_at: Timestamp,
    /// The message that set it aside, as it came.
    pub payload: String,
}

/// A record's key in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordKey {
    pub pk: String,
    pub sk: String,
}

impl DeadLetterId {
    /// The letter about a payload that was set aside at `at`: the same one each time,
    /// so that a message that comes twice leaves one letter. Sorts by time.
    #[must_use]
    pub fn of(payload: &str, at: Timestamp) -> Self {
        let mut random = [0; 10];
        random.copy_from_slice(&Sha256::digest(payload)[..10]);
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into()
    }
}

/// The wait after a try that failed, the first being 1: `2^tries` seconds, `longest` at
/// most. After the last one there is none: the record is given up.
#[must_use]
pub fn wait(tries: u32, longest: Duration) -> Option<Duration> {
    (tries < TRIES).then(|| Duration::from_secs(2_u64.saturating_pow(tries)).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_last_try() {
        let waits = |longest| (1..=TRIES).map_while(move |tries| wait(tries, longest));
        let seconds: Vec<_> = waits(Duration::from_mins(5)).map(|wait| wait.as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(waits(Duration::ZERO).eq([Duration::ZERO; 9]));
        assert_eq!(wait(u32::MAX, Duration::MAX), None);
    }

    #[test]
    fn a_payload_has_one_letter_and_letters_sort_by_time() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let (noon, later) = (at("2026-11-29T12:00:00Z"), at("2026-11-29T12:00:01Z"));
        assert_eq!(DeadLetterId::of("a", noon), DeadLetterId::of("a", noon));
        assert_ne!(DeadLetterId::of("a", noon), DeadLetterId::of("b", noon));
        assert!(DeadLetterId::of("b", noon) < DeadLetterId::of("a", later));
        assert!(DeadLetterId::of("a", noon) < DeadLetterId::of("b", later));
    }
}
