//! Journal records that could not be published, as operators see them.

use domain::dead_letter;
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// `POST /api/admin/dead-letters/{id}/replay`
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayDeadLetterRequest {
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "Ticket 4711")]
    pub reason: String,
}

/// A record that was tried ten times in vain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeadLetter {
    pub id: Uuid,
    /// The record's partition key in the table, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "PLAYER#019ae1c2-6d0e-7c4b-9a53-0f5b2e7d1c44")]
    pub pk: Option<String>,
    /// The record's sort key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ENTRY#0000000000000007")]
    pub sk: Option<String>,
    /// Why the last try failed.
    pub reason: String,
    pub tries: u32,
    #[schema(value_type = String, format = DateTime)]
    pub given_up_at: Timestamp,
    /// What was set aside, as it came.
    pub payload: String,
}

impl From<&dead_letter::DeadLetter> for DeadLetter {
    fn from(letter: &dead_letter::DeadLetter) -> Self {
        let key = letter.record.as_ref();
        Self {
            id: letter.id.uuid(),
            pk: key.map(|key| key.pk.clone()),
            sk: key.map(|key| key.sk.clone()),
            reason: letter.reason.clone(),
            tries: letter.tries,
            given_up_at: letter.given_up_at,
            payload: letter.payload.clone(),
        }
    }
}

/// The entry that has now been published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeadLetterReplayed {
    pub id: Uuid,
    /// Whose entry.
    pub user_id: Uuid,
    pub seq: u64,
}
