//! Everything that is held about a player, for the player.

use std::collections::BTreeMap;

use domain::segment::Segment;
use garde::Validate;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    Secret,
    account::{Stats, User},
    shop::Transaction,
};

/// The query of `GET /api/auth/export`.
#[derive(Clone, Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `journal.next_cursor` of the document before.
    #[garde(inner(length(min = 1, max = 1024)))]
    pub cursor: Option<String>,
}

/// `GET /api/auth/export`: everything that is held about the caller. Only the
/// journal may go on in further documents.
///
/// What is not in it is what would give an account away: the hash of the password,
/// and the hashes that tell a repeated request, or a device, from another. Counters of failed
/// logins are kept under fingerprints for minutes, socket tickets for seconds. What the
/// journal says of the last hour is kept once more, counted, for two, and so is when a
/// socket last spoke.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Export {
    #[schema(value_type = String, format = DateTime)]
    pub exported_at: Timestamp,
    pub profile: User,
    /// Where notices go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<ExportedEmail>,
    /// What waits to be confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_email: Option<ExportedEmail>,
    pub state: ExportedState,
    pub sessions: Vec<ExportedSession>,
    pub sockets: Vec<ExportedSocket>,
    pub statistics: Stats,
    /// Purchases paid with money or out of a limited stock, newest first; all others
    /// are in the journal alone.
    pub purchases: Vec<Transaction>,
    /// What the last look at the event store said, if there was one within a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_profile: Option<ExportedShopProfile>,
    pub journal: ExportedJournal,
}

/// Who the player is to the shop, which is what recommendations go by.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedShopProfile {
    #[schema(value_type = String, format = DateTime)]
    pub computed_at: Timestamp,
    #[schema(value_type = String, example = "casual")]
    pub segment: Segment,
    /// From 1 to 5: how long ago, how often, how much money.
    pub recency: u8,
    pub frequency: u8,
    pub monetary: u8,
    /// Product ids, best first.
    pub recommended: Vec<String>,
}

/// What the next decision depends on, besides what `profile` says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedState {
    /// How many journal entries there are.
    pub version: u64,
    /// When the last of them was written.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Gold owed after a refund or chargeback.
    pub debt_gold: i64,
    /// Experience gathered in all.
    pub total_xp: u64,
    pub streak: ExportedStreak,
    pub fairness: ExportedFairness,
    /// Number of the journal entry that set the password.
    pub password_set_by: u64,
}

/// The daily streak as it is stored.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedStreak {
    pub count: u32,
    pub longest: u32,
    pub protections: u32,
    #[schema(value_type = Option<String>, format = Date)]
    pub last_day: Option<Date>,
}

/// The player's part in the fairness of the present epoch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedFairness {
    pub epoch: u32,
    pub client_seed: String,
}

/// A mail address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedEmail {
    #[schema(value_type = String, format = "email")]
    pub address: Secret,
    /// Number of the journal entry that asked for it.
    pub requested_by: u64,
    /// Until when it could be confirmed.
    #[schema(value_type = String, format = DateTime)]
    pub confirm_until: Timestamp,
}

/// A login that has not ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedSession {
    pub id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// An open socket.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedSocket {
    pub connection_id: String,
    #[schema(value_type = String, format = DateTime)]
    pub connected_at: Timestamp,
    /// When it is forgotten at the latest; epoch seconds.
    pub expires_at: i64,
}

/// A part of the journal, oldest entry first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedJournal {
    pub entries: Vec<ExportedEntry>,
    /// Asks for the document with the entries after; absent from the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One change. The answer that was given says the same in other words and is left
/// out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedEntry {
    /// 1, 2, 3 … without gaps.
    pub seq: u64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened: `kind`, and what belongs to it.
    #[schema(value_type = Object)]
    pub fact: Value,
    /// Gold that moved, by account; sums to zero.
    pub legs: BTreeMap<String, i64>,
    /// Gold after it.
    pub balance_after: i64,
    /// Experience after it, in all.
    pub total_xp_after: u64,
    pub trace_id: String,
    /// Absent from scheduled work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<ExportedKey>,
}

/// What made a change happen once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportedKey {
    pub source: KeySource,
    pub key: String,
}

/// Where an idempotency key comes from.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The player's own `Idempotency-Key`.
    Header,
    /// The same, before the player was anybody.
    Anonymous,
    /// The command itself can happen only once.
    Natural,
}
