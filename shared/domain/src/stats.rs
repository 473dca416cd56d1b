//! A player's statistics: a fold of the journal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{Entry, Fact, Game, Gold, ctx::day_of};

/// The statistics after the first `applied_seq` entries. Incremental and
/// recalculated values are equal because both are this fold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Number of the last entry folded in.
    pub applied_seq: u64,
    #[serde(default)]
    pub games: BTreeMap<Game, GameStats>,
    /// The days with any action, among the last 30 up to the latest.
    #[serde(default)]
    pub recent_days: BTreeSet<Date>,
    /// All days with any action.
    pub lifetime_active_days: u32,
}

/// Totals of one game. Profit is `won - bet`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GameStats {
    pub plays: u64,
    /// Rounds that paid at least the bet back.
    pub wins: u64,
    pub losses: u64,
    pub bet: Gold,
    pub won: Gold,
    pub highest_multiplier: u32,
}

/// Days that count as recent.
const RECENT_DAYS: i32 = 30;

impl Stats {
    /// Folds one entry in; one that is folded in already changes nothing.
    ///
    /// # Panics
    /// When an entry is missing in between: the caller fills gaps first.
    pub fn fold(&mut self, entry: &Entry) {
        if entry.seq <= self.applied_seq {
            return;
        }
        assert_eq!(entry.seq, self.applied_seq + 1, "statistics fold the journal without gaps");
        self.applied_seq = entry.seq;
        if entry.fact.is_action() {
            self.record_day(day_of(entry.at));
        }
        if let Fact::RoundSettled { game, bet, win, multiplier, .. } = &entry.fact {
            self.games.entry(*game).or_default().record(*bet, *win, *multiplier);
        }
    }

    /// Days with any action among the 30 up to `today`, or up to the latest one, if
    /// the reader's clock runs behind the writer's around midnight.
    #[must_use]
    pub fn active_days(&self, today: Date) -> usize {
        let today = self.recent_days.last().map_or(today, |latest| today.max(*latest));
        let first = today.saturating_sub((RECENT_DAYS - 1).days());
        self.recent_days.range(first..=today).count()
    }

    /// All games together.
    #[must_use]
    pub fn total(&self) -> GameStats {
        self.games.values().fold(GameStats::default(), |mut total, game| {
            total.plays += game.plays;
            total.wins += game.wins;
            total.losses += game.losses;
            total.bet = saturating_sum(total.bet, game.bet);
            total.won = saturating_sum(total.won, game.won);
            total.highest_multiplier = total.highest_multiplier.max(game.highest_multiplier);
            total
        })
    }

    fn record_day(&mut self, day: Date) {
        // Entries never go back in time, so an unseen day is a new one.
        if self.recent_days.insert(day) {
            self.lifetime_active_days += 1;
            let first = day.saturating_sub((RECENT_DAYS - 1).days());
            self.recent_days = self.recent_days.split_off(&first);
        }
    }
}

impl GameStats {
    fn record(&mut self, bet: Gold, win: Gold, multiplier: u32) {
        self.plays += 1;
        if win >= bet {
            self.wins += 1;
        } else {
            self.losses += 1;
        }
        self.bet = saturating_sum(self.bet, bet);
        self.won = saturating_sum(self.won, win);
        self.highest_multiplier = self.highest_multiplier.max(multiplier);
    }

    /// What the player is up (or down, negative).
    #[must_use]
    pub fn profit(&self) -> i64 {
        self.won.units().saturating_sub(self.bet.units())
    }
}

/// Lifetime totals are for show; they stop at the largest number rather than fail.
fn saturating_sum(a: Gold, b: Gold) -> Gold {
    Gold::new(a.units().saturating_add(b.units()))
}
