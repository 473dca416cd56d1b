//! What operators do, and what developers may do to seed accounts.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rules;

/// `POST /api/admin/invite-codes`
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueInviteRequest {
    /// The code; without one, a random one is made.
    #[garde(inner(length(min = 4, max = 64), custom(rules::visible_ascii)))]
    #[schema(min_length = 4, max_length = 64, pattern = "^[!-~]+$", example = "SPRING-2027")]
    pub code: Option<String>,
    /// How many players it lets in.
    #[garde(range(min = 1, max = 100_000))]
    #[schema(minimum = 1, maximum = 100_000, example = 100)]
    pub uses: u32,
    /// From when on it lets nobody in: in the future, within a year. Counts in whole
    /// seconds.
    #[garde(skip)]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "Spring campaign")]
    pub reason: String,
}

/// An invite code that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssueInviteAnswer {
    pub code: String,
    pub uses: u32,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// `POST /api/dev/reset/{site_id}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetAnswer {
    pub id: Uuid,
    /// What the account begins with again.
    #[schema(example = 1000)]
    pub gold_balance: i64,
}
