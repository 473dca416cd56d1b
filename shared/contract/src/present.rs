//! How the state, its views and the catalog look on the wire. The only place
//! that turns the one into the other.

use domain::{
    Entry, Fact, OnceKey, Player, level,
    stats::{GameStats, Stats as Folded},
    streak::{self, Standing},
};
use jiff::civil::Date;

use crate::{
    account::{
        Activity, Balance, GameTotals, LevelProgress, ProfileDetail, PublicProfile, Stats,
        TopScore, User,
    },
    export::{
        ExportedEmail, ExportedEntry, ExportedFairness, ExportedKey, ExportedSession,
        ExportedState, ExportedStreak, KeySource,
    },
    home::{DashboardCore, StreakAction, StreakHistoryItem, StreakReward, StreakStatus, VipStatus},
};

impl User {
    /// The caller, as they see themselves.
    #[must_use]
    pub fn of(player: &Player) -> Self {
        let level = level::of(player.total_xp);
        Self {
            id: player.id.uuid(),
            site_id: player.profile.site_id.clone(),
            nickname: player.profile.nickname.clone(),
            role: player.profile.role,
            gold_balance: player.gold.units(),
            level: level.level,
            experience: count(level.experience),
            max_experience: count(level.max_experience),
            // There is no season yet, so nobody has left its first level.
            battlepass_level: 1,
            vip_points: count(player.vip_points),
            streak: player.streak.count,
            must_change_password: player.profile.must_change_password,
        }
    }
}

impl Balance {
    /// What the player has, and owes.
    #[must_use]
    pub const fn of(player: &Player) -> Self {
        let gold = player.gold.units();
        let debt_gold = player.debt.units();
        Self { gold_balance: gold, cyber_token_balance: gold, debt_gold }
    }
}

impl Stats {
    /// The statistics on the day `today`.
    #[must_use]
    pub fn of(stats: &Folded, today: Date) -> Self {
        let overall = stats.total();
        Self {
            total_games_played: overall.plays,
            last_30d_active_days: u32::try_from(stats.active_days(today)).unwrap_or(u32::MAX),
            lifetime_active_days: stats.lifetime_active_days,
            overall: overall.into(),
            games: stats
                .games
                .iter()
                .map(|(game, stats)| (game.as_str().to_owned(), (*stats).into()))
                .collect(),
        }
    }
}

impl From<GameStats> for GameTotals {
    fn from(stats: GameStats) -> Self {
        Self {
            plays: stats.plays,
            total_bets: stats.bet.units(),
            wins: stats.wins,
            losses: stats.losses,
            highest_multiplier: stats.highest_multiplier,
            total_profit: stats.profit(),
        }
    }
}

impl PublicProfile {
    /// The player, as others see them; nothing of one who wished to be forgotten.
    #[must_use]
    pub fn of(player: &Player) -> Option<Self> {
        (!player.profile.erased).then(|| Self {
            id: player.id.uuid(),
            nickname: player.profile.nickname.clone(),
            role: player.profile.role,
            level: level::of(player.total_xp).level,
            streak: player.streak.count,
        })
    }
}

impl ProfileDetail {
    /// The player in detail on the day `today`; `recent` are their last entries,
    /// newest first.
    #[must_use]
    pub fn of(player: &Player, stats: &Folded, recent: &[Entry], today: Date) -> Self {
        let level = level::of(player.total_xp);
        Self {
            user: User::of(player),
            level: LevelProgress {
                level: level.level,
                experience: count(level.experience),
                max_experience: count(level.max_experience),
                total_xp: count(player.total_xp),
            },
            totals: Stats::of(stats, today),
            top_scores: stats
                .games
                .iter()
                .map(|(game, stats)| TopScore {
                    game: game.as_str().to_owned(),
                    highest_multiplier: stats.highest_multiplier,
                })
                .collect(),
            event_participation: Vec::new(),
            recent_activity: recent.iter().filter_map(Activity::of).collect(),
        }
    }
}

impl Activity {
    /// The line of an entry, if the player did something.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        entry.fact.is_action().then(|| Self {
            action_type: entry.fact.kind().to_owned(),
            gold_change: entry.legs.of_player().units(),
            balance_after: entry.after.gold.units(),
            at: entry.at,
        })
    }
}

impl ExportedState {
    #[must_use]
    pub fn of(player: &Player) -> Self {
        let Player { streak, fairness, .. } = player;
        Self {
            version: player.version,
            updated_at: player.updated_at,
            debt_gold: player.debt.units(),
            total_xp: player.total_xp,
            streak: ExportedStreak {
                count: streak.count,
                longest: streak.longest,
                protections: streak.protections,
                last_day: streak.last_day,
            },
            fairness: ExportedFairness {
                epoch: fairness.epoch,
                client_seed: fairness.client_seed.clone(),
            },
            password_set_by: player.password_seq,
        }
    }
}

impl ExportedSession {
    /// The player's sessions, whether or not they have expired meanwhile.
    #[must_use]
    pub fn all_of(player: &Player) -> Vec<Self> {
        let exported = |session: &domain::Session| Self {
            id: session.id.uuid(),
            expires_at: session.expires_at,
        };
        player.sessions.iter().map(exported).collect()
    }
}

impl ExportedEmail {
    #[must_use]
    pub fn of(email: &domain::Email) -> Self {
        Self {
            address: email.address.expose().into(),
            requested_by: email.requested_by,
            confirm_until: email.confirm_until,
        }
    }
}

impl ExportedEntry {
    /// # Panics
    /// When a fact does not serialize, which is a defect.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let legs = entry.legs.iter().map(|(account, gold)| (account.to_string(), gold.units()));
        Self {
            seq: entry.seq,
            at: entry.at,
            fact: serde_json::to_value(&entry.fact).expect("facts serialize"),
            legs: legs.collect(),
            balance_after: entry.after.gold.units(),
            total_xp_after: entry.after.total_xp,
            trace_id: entry.trace_id.clone(),
            idempotency_key: entry.once.as_ref().map(|once| ExportedKey::of(&once.key)),
        }
    }
}

impl ExportedKey {
    fn of(key: &OnceKey) -> Self {
        let (source, key) = match key {
            OnceKey::Header(key) => (KeySource::Header, key),
            OnceKey::Anonymous(key) => (KeySource::Anonymous, key),
            OnceKey::Natural(key) => (KeySource::Natural, key),
        };
        Self { source, key: key.clone() }
    }
}

impl StreakReward {
    /// What the claim that makes the streak `count` grants.
    #[must_use]
    pub fn at(count: u32) -> Self {
        let reward = streak::reward(count);
        Self { gold: reward.gold.units(), xp: reward.xp.into() }
    }
}

impl StreakStatus {
    /// The streak on the day `today`. A streak that a missed day has broken shows
    /// as broken even before the nightly repair writes it down.
    #[must_use]
    pub fn of(player: &Player, today: Date) -> Self {
        let streak = &player.streak;
        let standing = streak.standing(today);
        let claimed_today = standing == Standing::Claimed;
        let next = if claimed_today {
            streak.count.saturating_add(1)
        } else {
            streak.after_claim(today).0
        };
        Self {
            count: if matches!(standing, Standing::Broken { .. }) { 0 } else { streak.count },
            claimed_today,
            next_reward: StreakReward::at(next),
            protection: streak.protections_left(today),
            longest: streak.longest,
        }
    }
}

impl StreakHistoryItem {
    /// The line of an entry, if it is about the streak.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let (day, action, streak_count, awarded) = match &entry.fact {
            Fact::StreakClaimed { day, count, gold, xp, .. } => {
                let awarded = StreakReward { gold: gold.units(), xp: i64::from(*xp) };
                (*day, StreakAction::Claim, Some(*count), Some(awarded))
            }
            Fact::StreakProtectionConsumed { day, .. } => {
                (*day, StreakAction::ProtectionConsumed, None, None)
            }
            Fact::StreakBroken { day, .. } => (*day, StreakAction::Broken, Some(0), None),
            _ => return None,
        };
        Some(Self { day, action, streak_count, awarded, at: entry.at })
    }
}

impl DashboardCore {
    /// What the dashboard shows first, and a socket's `initial_state` whole.
    #[must_use]
    pub fn of(player: &Player, today: Date) -> Self {
        Self {
            profile: User::of(player),
            balances: Balance::of(player),
            streak: StreakStatus::of(player, today),
            vip: VipStatus {
                claimed_today: false,
                vip_points: count(player.vip_points),
                last_claim_at: None,
            },
        }
    }
}

/// Counters are shown as signed numbers, like every number of the contract.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
