//! What reads showed: the player as they were at some moment.

use serde_json::Value;

use super::{
    Case,
    clients::Attempt,
    model::{Snap, Standing, day_of, level, reward},
    slot,
};

impl Case<'_> {
    /// A read shows the player as they were at some moment while it ran.
    pub fn read(&self, attempt: &Attempt, body: &str) -> Option<String> {
        let player = attempt.player.as_ref()?;
        let books = self.players.get(player)?;
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let day = day_of(attempt.clock_ms);
        let snaps = books.snaps_between(attempt.start, attempt.end);
        let fits = |snap: &Snap| match attempt.operation {
            "me" => is_user(snap, &answer),
            "balance" => answer["gold_balance"] == snap.gold,
            "stats" => is_stats(snap, &answer, day),
            "streak" => is_streak(snap, &answer, day),
            "fairness" => {
                let seed = slot::server_seed(&self.evidence.master_key, player, snap.epoch);
                answer["epoch"] == snap.epoch
                    && answer["next_nonce"] == snap.version + 1
                    && answer["client_seed"] == snap.client_seed.as_str()
                    && answer["server_seed_hash"] == slot::commitment(&seed).as_str()
            }
            _ => is_user(snap, &answer["profile"]) && is_streak(snap, &answer["streak"], day),
        };
        if snaps.iter().any(fits) {
            return None;
        }
        Some(format!("no moment was like that: {body}; there was {:?}", snaps.last()))
    }
}

/// Whether the answer shows the player as they were.
pub fn is_user(snap: &Snap, user: &Value) -> bool {
    let (level, experience) = level(snap.xp);
    let nickname = snap.nickname.as_ref();
    user["site_id"] == snap.site_id.as_str()
        && nickname.is_none_or(|nickname| user["nickname"] == nickname.as_str())
        && user["gold_balance"] == snap.gold
        && user["level"] == level
        && user["experience"] == experience
        && user["streak"] == snap.count
}

fn is_stats(snap: &Snap, answer: &Value, day: i64) -> bool {
    let overall = &answer["overall"];
    let days = i64::try_from(snap.days.len()).unwrap_or(-1);
    answer["total_games_played"] == snap.plays
        && answer["lifetime_active_days"] == days
        && answer["last_30d_active_days"] == snap.recent(day)
        && overall["plays"] == snap.plays
        && overall["wins"] == snap.wins
        && overall["losses"] == snap.losses
        && overall["total_bets"] == snap.bet
        && overall["highest_multiplier"] == snap.highest
        && overall["total_profit"] == snap.won - snap.bet
}

fn is_streak(snap: &Snap, answer: &Value, day: i64) -> bool {
    let standing = snap.standing(day);
    let (shown, next, left) = match standing {
        Standing::Claimed => (snap.count, snap.count + 1, snap.protections),
        Standing::Going => (snap.count, snap.count + 1, snap.protections),
        Standing::Covered { days } => (snap.count, snap.count + 1, snap.protections - days),
        Standing::Over { used } => (0, 1, snap.protections - used),
    };
    answer["count"] == shown
        && answer["claimed_today"] == (standing == Standing::Claimed)
        && answer["next_reward"]["gold"] == reward(next).0
        && answer["protection"] == left
        && answer["longest"] == snap.longest
}
