//! What of a journal is published, what has to be published after all, and when somebody
//! looks.
//!
//! A journal leaves through the table's stream. How far it has is marked, and compared
//! with its end, one partition of all players at a time.

use std::{collections::BTreeMap, ops::RangeInclusive};

use jiff::{SignedDuration, Timestamp};

use crate::PlayerId;

/// Of each player the entries that follow one another, from the first on. What comes after
/// a gap is not among them: the mark has to wait before it.
#[must_use]
pub fn runs(
    entries: impl IntoIterator<Item = (PlayerId, u64)>,
) -> BTreeMap<PlayerId, RangeInclusive<u64>> {
    let mut runs = BTreeMap::new();
    for (player, seq) in entries {
        let run = runs.entry(player).or_insert(seq..=seq);
        if run.end().checked_add(1) == Some(seq) {
            *run = *run.start()..=seq;
        }
    }
    runs
}

/// The partition whose turn it is, of `shards`: another one each minute, so that all of
/// them come by in as many minutes.
#[must_use]
pub fn turn(now: Timestamp, shards: u8) -> u8 {
    let minute = now.as_second().div_euclid(60);
    let turn = minute.checked_rem_euclid(shards.into());
    turn.and_then(|turn| u8::try_from(turn).ok()).unwrap_or_default()
}

/// For how many seconds the first entry that waits has waited, while it is the stream's to
/// deliver. `None` once it is not: the entry is `after_seconds` old, or nobody can read
/// when it happened.
#[must_use]
pub fn waits_for_the_stream(
    first: Option<Timestamp>,
    now: Timestamp,
    after_seconds: u32,
) -> Option<u64> {
    let age = now.duration_since(first?);
    let lost = age >= SignedDuration::from_secs(after_seconds.into());
    (!lost).then(|| u64::try_from(age.as_secs()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(number: u8) -> PlayerId {
        PlayerId::from_bytes([number; 16])
    }

    /// The run of one player's entries.
    fn run(seqs: &[u64]) -> RangeInclusive<u64> {
        let runs = runs(seqs.iter().map(|&seq| (player(1), seq)));
        runs.get(&player(1)).expect("a run").clone()
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    #[test]
    fn a_gap_stops_a_run() {
        assert_eq!(run(&[4, 5, 6]), 4..=6);
        assert_eq!(run(&[4, 5, 7, 8]), 4..=5);
        assert_eq!(run(&[4, 6, 5, 6]), 4..=6, "what fills it goes on");
        assert_eq!(run(&[4, 2, 3]), 4..=4, "what is before the first does not count");
    }

    #[test]
    fn an_entry_that_comes_again_changes_nothing() {
        assert_eq!(run(&[1, 2, 2, 1, 3]), 1..=3);
        assert_eq!(run(&[u64::MAX, u64::MAX, 0]), u64::MAX..=u64::MAX);
    }

    #[test]
    fn each_player_has_a_run() {
        let mixed = [(2, 7), (1, 1), (2, 8), (1, 3), (2, 9)];
        let runs = runs(mixed.map(|(of, seq)| (player(of), seq)));
        assert_eq!(runs, BTreeMap::from([(player(1), 1..=1), (player(2), 7..=9)]));
    }

    #[test]
    fn the_minute_says_whose_turn_it_is() {
        assert_eq!([0, 59, 60, 119, 120].map(|at| turn(second(at), 16)), [0, 0, 1, 1, 2]);
        assert!((0..32).map(|minute| turn(second(minute * 60), 16)).eq((0..16_u8).chain(0..16)));
        assert_eq!(turn(second(60 * 300), u8::MAX), 45);
    }

    #[test]
    fn turns_go_on_before_the_epoch_and_without_partitions() {
        assert_eq!([-1, -60, -61, -60 * 16].map(|at| turn(second(at), 16)), [15, 15, 14, 0]);
        assert!(turn(Timestamp::MIN, 16) < 16);
        assert_eq!(turn(second(90), 0), 0);
    }

    #[test]
    fn an_entry_is_the_streams_until_it_is_too_old() {
        let waits = |at, after| waits_for_the_stream(Some(second(at)), second(1_000), after);
        assert_eq!(waits(900, 101), Some(100));
        assert_eq!(waits(900, 100), None);
        assert_eq!(waits(1_000, 0), None);
        assert_eq!(waits(2_000, 0), Some(0), "a clock that is behind sees no age");
        assert_eq!(waits_for_the_stream(None, second(1_000), 100), None);
    }
}
