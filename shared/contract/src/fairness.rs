//! Provable fairness: commitments, rotation, verification.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rules;

/// `GET /api/games/fairness`: what the next round will be drawn from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fairness {
    pub epoch: u32,
    /// SHA-256 of the server seed in use, hexadecimal.
    pub server_seed_hash: String,
    pub client_seed: String,
    pub next_nonce: u64,
}

/// `POST /api/games/fairness/rotate`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// The player's own contribution from now on; visible ASCII.
    #[garde(length(min = 1, max = 64), custom(rules::visible_ascii))]
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "my-lucky-seed")]
    pub client_seed: String,
}

/// The old epoch, opened, and the new one, committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotateAnswer {
    pub previous: RevealedEpoch,
    #[serde(flatten)]
    pub current: Fairness,
}

/// An epoch that is over: every round of it can now be verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevealedEpoch {
    pub epoch: u32,
    /// The server seed, 32 bytes in hexadecimal.
    pub server_seed: String,
    pub server_seed_hash: String,
    pub client_seed: String,
}

/// `POST /api/games/fairness/verify`. Needs no login: everything it uses is given.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    #[garde(skip)]
    pub game: VerifiableGame,
    #[garde(length(min = 1, max = 64), custom(rules::visible_ascii))]
    #[schema(min_length = 1, max_length = 64)]
    pub paytable_version: String,
    /// The revealed server seed, 32 bytes in lower-case hexadecimal.
    #[garde(custom(rules::hex32))]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub server_seed: String,
    #[garde(length(min = 1, max = 64), custom(rules::visible_ascii))]
    #[schema(min_length = 1, max_length = 64)]
    pub client_seed: String,
    #[garde(skip)]
    pub nonce: u64,
    /// With it, the answer says what the round paid.
    #[garde(inner(range(min = 1)))]
    #[schema(minimum = 1)]
    pub bet: Option<i64>,
    /// What the round was said to be; `valid` compares with it.
    #[garde(dive)]
    pub expected: Option<ExpectedRound>,
}

/// Games whose rounds can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerifiableGame {
    Slot,
}

/// A claim about a round; what is absent is not compared.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRound {
    /// The commitment that was published before the round.
    #[garde(inner(custom(rules::hex32)))]
    pub server_seed_hash: Option<String>,
    #[garde(inner(length(max = 16), inner(length(max = 32))))]
    pub reels: Option<Vec<String>>,
    #[garde(skip)]
    pub multiplier: Option<u32>,
    #[garde(inner(range(min = 0)))]
    pub win_gold: Option<i64>,
}

/// The round, computed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyAnswer {
    /// Whether everything in `expected` is as computed; true when nothing was.
    pub valid: bool,
    /// SHA-256 of the given server seed, hexadecimal.
    pub server_seed_hash: String,
    pub reels: Vec<String>,
    pub multiplier: u32,
    /// Present when a bet was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win_gold: Option<i64>,
}
