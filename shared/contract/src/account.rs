//! The caller's own account.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Role;

/// `GET /api/auth/me` and its aliases: the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: Uuid,
    pub site_id: String,
    pub nickname: String,
    /// `standard`, `premium`, `vip`, `operator` or `admin`.
    #[schema(value_type = String, example = "standard")]
    pub role: Role,
    /// Whole gold.
    pub gold_balance: i64,
    /// From 1.
    pub level: u32,
    /// Experience gathered within the present level.
    pub experience: i64,
    /// Experience the present level needs in all.
    pub max_experience: i64,
    pub battlepass_level: u32,
    pub vip_points: i64,
    /// Days of the present streak.
    pub streak: u32,
    pub must_change_password: bool,
}

/// `GET /api/users/balance`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Balance {
    /// Whole gold.
    pub gold_balance: i64,
    /// An older name of the same number.
    pub cyber_token_balance: i64,
    /// Gold owed after a refund or chargeback; what comes in repays it first.
    pub debt_gold: i64,
}

/// `GET /api/users/stats`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    pub total_games_played: u64,
    /// Days of the last 30, today included, with any recorded action; UTC.
    pub last_30d_active_days: u32,
    /// Days with any recorded action, ever; UTC.
    pub lifetime_active_days: u32,
    pub overall: GameTotals,
    /// By game: `slot`, `gacha`, `rps`, `crash`.
    pub games: BTreeMap<String, GameTotals>,
}

/// Totals of one game, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GameTotals {
    /// Rounds played.
    pub plays: u64,
    /// Gold bet in all.
    pub total_bets: i64,
    pub wins: u64,
    pub losses: u64,
    /// The highest multiplier hit, in whole times the bet.
    pub highest_multiplier: u32,
    /// Gold won minus gold bet; negative for a loss.
    pub total_profit: i64,
}

/// `GET /api/users/{id}`: a player as others see them. Balances, the login name and
/// whatever else is private are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PublicProfile {
    pub id: Uuid,
    pub nickname: String,
    /// `standard`, `premium`, `vip`, `operator` or `admin`.
    #[schema(value_type = String, example = "standard")]
    pub role: Role,
    /// From 1.
    pub level: u32,
    /// Days of the present streak.
    pub streak: u32,
}

/// `GET /api/profile`: the caller in detail.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProfileDetail {
    pub user: User,
    pub level: LevelProgress,
    /// Totals per game and overall, and active days.
    pub totals: Stats,
    /// The best of each game that was played.
    pub top_scores: Vec<TopScore>,
    /// Events the caller takes part in.
    #[schema(value_type = Vec<Object>)]
    pub event_participation: Vec<Value>,
    /// What the caller did last, newest first.
    pub recent_activity: Vec<Activity>,
}

/// How far a player has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LevelProgress {
    /// From 1.
    pub level: u32,
    /// Experience gathered within the present level.
    pub experience: i64,
    /// Experience the present level needs in all.
    pub max_experience: i64,
    /// Experience gathered in all.
    pub total_xp: i64,
}

/// The best a player has done in a game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TopScore {
    pub game: String,
    /// The highest multiplier hit, in whole times the bet.
    pub highest_multiplier: u32,
}

/// Something a player did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Activity {
    /// The journal's name of it: `round_settled`, `streak_claimed`, …
    #[schema(example = "round_settled")]
    pub action_type: String,
    /// Gold gained by it, or lost: negative.
    pub gold_change: i64,
    /// Gold after it.
    pub balance_after: i64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}
