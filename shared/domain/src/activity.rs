//! What a player did of late: a fold of the journal, for numbers that everybody sees.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Entry, Fact, Game, Gold, PlayerId};

/// Who was seen within this long is online.
pub const ONLINE: SignedDuration = SignedDuration::from_mins(5);

/// For how long rounds are counted.
pub const COUNTED: SignedDuration = SignedDuration::from_hours(1);

/// The last hour of a player, after the first `applied_seq` entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Number of the last entry folded in.
    pub applied_seq: u64,
    /// When the player last did something.
    pub seen: Option<Timestamp>,
    /// Rounds by the minute since 1970, of the last hour before `seen`.
    pub minutes: BTreeMap<i64, Rounds>,
}

/// Rounds, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// Of the slot.
    pub spins: u32,
    /// Of any game.
    pub big_wins: u32,
}

impl Activity {
    /// Folds one entry in; one that is folded in already changes nothing. A gap does no
    /// harm: what is in it is not counted.
    pub fn fold(&mut self, entry: &Entry, big_win: Gold) {
        if entry.seq <= self.applied_seq {
            return;
        }
        self.applied_seq = entry.seq;
        if entry.fact.is_action() {
            self.seen = self.seen.max(Some(entry.at));
        }
        let Fact::RoundSettled { game, win, .. } = &entry.fact else { return };
        let at = minute(entry.at);
        let rounds = self.minutes.entry(at).or_default();
        rounds.spins = rounds.spins.saturating_add((*game == Game::Slot).into());
        rounds.big_wins = rounds.big_wins.saturating_add((*win >= big_win).into());
        self.minutes = self.minutes.split_off(&first_minute(entry.at));
    }

    /// The rounds of the hour before `now`, in whole minutes: up to one minute longer.
    #[must_use]
    pub fn rounds(&self, now: Timestamp) -> Rounds {
        let minutes = self.minutes.range(first_minute(now)..);
        minutes.fold(Rounds::default(), |sum, (_, of)| Rounds {
            spins: sum.spins.saturating_add(of.spins),
            big_wins: sum.big_wins.saturating_add(of.big_wins),
        })
    }
}

/// What everybody is told of all players.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Global {
    pub online: usize,
    pub spins: u64,
    pub big_wins: u64,
}

impl Global {
    /// Sums up. A player may be there more than once: by what they did, and by a socket
    /// that said that it is there.
    #[must_use]
    pub fn of<'a>(
        activities: impl IntoIterator<Item = &'a (PlayerId, Activity)>,
        now: Timestamp,
    ) -> Self {
        let mut online = BTreeSet::new();
        let mut global = Self::default();
        for (player, activity) in activities {
            if activity.seen.is_some_and(|seen| is_online(seen, now)) {
                online.insert(*player);
            }
            let Rounds { spins, big_wins } = activity.rounds(now);
            global.spins += u64::from(spins);
            global.big_wins += u64::from(big_wins);
        }
        Self { online: online.len(), ..global }
    }
}

/// Whether who was last seen then is online now.
fn is_online(seen: Timestamp, now: Timestamp) -> bool {
    now.duration_since(seen) <= ONLINE
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

fn first_minute(now: Timestamp) -> i64 {
    minute(now) - COUNTED.as_mins()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{After, Legs, RoundId};

    const START: Timestamp = Timestamp::constant(1_795_222_800, 0);

    fn after(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    fn round(seq: u64, at: Timestamp, win: i64) -> Entry {
        let fact = Fact::RoundSettled {
            game: Game::Slot,
            round: RoundId::from_bytes([1; 16]),
            bet: Gold::new(10),
            win: Gold::new(win),
            multiplier: 1,
            outcome: vec![],
            epoch: 1,
            paytable: "slot-1".to_owned(),
        };
        let after = After { gold: Gold::ZERO, total_xp: 0, debt: Gold::ZERO };
        Entry {
            player: PlayerId::from_bytes([1; 16]),
            seq,
            at,
            fact,
            legs: Legs::none(),
            after,
            trace_id: String::new(),
            once: None,
            answer: None,
        }
    }

    #[test]
    fn an_hour_of_rounds_is_counted_and_not_more() {
        let mut activity = Activity::default();
        for (seq, minute) in (1..).zip(0..180) {
            activity.fold(&round(seq, after(60 * minute), 1_000), Gold::new(1_000));
        }
        let now = after(60 * 179);
        assert_eq!(activity.rounds(now), Rounds { spins: 61, big_wins: 61 });
        assert_eq!(activity.rounds(after(60 * 209)), Rounds { spins: 31, big_wins: 31 });
        assert_eq!(activity.rounds(after(60 * 240)), Rounds::default());
        assert!(activity.minutes.len() <= 61, "what is too old is dropped");
    }

    #[test]
    fn an_entry_counts_once() {
        let mut activity = Activity::default();
        let entries = [round(1, START, 999), round(2, START, 1_000)];
        for entry in entries.iter().chain(&entries) {
            activity.fold(entry, Gold::new(1_000));
        }
        assert_eq!(activity.rounds(START), Rounds { spins: 2, big_wins: 1 });
        assert_eq!(activity.seen, Some(START));
    }

    #[test]
    fn a_player_with_two_sockets_is_one_player() {
        let seen = |seconds| Activity { seen: Some(after(seconds)), ..Activity::default() };
        let mut played = seen(0);
        played.fold(&round(1, START, 1_000), Gold::new(1_000));
        let [one, other] = [1, 2].map(|id| PlayerId::from_bytes([id; 16]));
        let all = [(one, played), (one, seen(200)), (one, seen(250)), (other, seen(100))];
        assert_eq!(Global::of(&all, after(300)), Global { online: 2, spins: 1, big_wins: 1 });
        assert_eq!(Global::of(&all, after(420)), Global { online: 1, spins: 1, big_wins: 1 });
        assert_eq!(Global::of(&all, after(3_720)), Global::default());
    }

    #[test]
    fn who_did_nothing_for_five_minutes_is_gone() {
        assert!(is_online(START, START));
        assert!(is_online(START, after(300)));
        assert!(!is_online(START, after(301)));
        // Clocks of two servers.
        assert!(is_online(after(2), START));
    }
}
