//! The slot.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// `POST /api/games/slot/spin`
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpinRequest {
    /// Whole gold, a JSON integer. The game's own limit is checked by its rules.
    #[garde(range(min = 1))]
    #[schema(minimum = 1, example = 100)]
    pub bet: i64,
}

/// A settled round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpinAnswer {
    pub round_id: Uuid,
    /// The symbol on each reel, left to right.
    #[schema(example = json!(["cherry", "cherry", "seven"]))]
    pub reels: Vec<String>,
    pub bet_gold: i64,
    /// `bet_gold * multiplier`; 0 for a loss.
    pub win_gold: i64,
    /// A whole number of times the bet. Slot multipliers have no fractions, and
    /// no fraction ever takes part in a payout.
    #[schema(example = 5)]
    pub multiplier: u32,
    /// The balance after the round.
    pub gold_balance: i64,
    pub fairness: RoundFairness,
}

/// What is needed to verify the round once the server seed is revealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundFairness {
    pub epoch: u32,
    /// SHA-256 of the server seed, published before it was used; hexadecimal.
    pub server_seed_hash: String,
    pub client_seed: String,
    pub nonce: u64,
    pub paytable_version: String,
}
