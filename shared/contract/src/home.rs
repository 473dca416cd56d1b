//! The dashboard and the daily streak.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    account::{Balance, User},
    shop::CatalogItem,
};

/// `GET /api/dashboard`: one screen in one answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Dashboard {
    #[serde(flatten)]
    pub core: DashboardCore,
    /// Active events with the caller's own progress.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
    /// Active missions with the caller's own progress.
    #[schema(value_type = Vec<Object>)]
    pub missions: Vec<Value>,
    /// Rewards that wait to be claimed.
    pub pending_rewards_count: u32,
    /// The last three, newest first.
    pub recent_sessions: Vec<RecentSession>,
    pub shop_highlights: Vec<CatalogItem>,
}

/// The part of the dashboard that a socket's `initial_state` carries too.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DashboardCore {
    pub profile: User,
    pub balances: Balance,
    pub streak: StreakStatus,
    pub vip: VipStatus,
}

/// Standing with the daily VIP claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VipStatus {
    pub claimed_today: bool,
    pub vip_points: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_claim_at: Option<Timestamp>,
}

/// A sitting at a game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecentSession {
    pub session_id: Uuid,
    pub game: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// `GET /api/streak/status`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StreakStatus {
    /// Days in a row, today included once claimed.
    pub count: u32,
    pub claimed_today: bool,
    /// What the next claim grants.
    pub next_reward: StreakReward,
    /// Protections left: missed days that would be forgiven from here on.
    pub protection: u32,
    /// The longest streak ever.
    pub longest: u32,
}

/// What a claim grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreakReward {
    pub gold: i64,
    pub xp: i64,
}

/// `POST /api/streak/claim`. Claiming again on the same day answers the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreakClaimAnswer {
    pub awarded: StreakReward,
    pub streak_count: u32,
    /// Gold after the claim.
    pub new_balance: i64,
    /// The level after the claim.
    pub level: u32,
    /// Protections used up by the days missed before this claim.
    pub protection_used: u32,
    /// The UTC day it counts for.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    #[schema(value_type = String, format = DateTime)]
    pub claimed_at: Timestamp,
}

/// One line of `GET /api/streak/history`, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StreakHistoryItem {
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    pub action: StreakAction,
    /// The streak after it; a protection leaves it as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streak_count: Option<u32>,
    /// Present for claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awarded: Option<StreakReward>,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// What happened to a streak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreakAction {
    Claim,
    ProtectionConsumed,
    Broken,
}
