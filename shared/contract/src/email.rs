//! The address a player gets notices at.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Secret, rules};

/// `PUT /api/auth/email`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailRequest {
    /// Where the confirmation goes. Personal, and hidden like a secret.
    #[garde(custom(rules::email_address))]
    #[schema(
        value_type = String,
        format = "email",
        min_length = 6,
        max_length = 254,
        example = "jimin@example.com"
    )]
    pub email: Secret,
    /// The present password, asked again: the address is where warnings go.
    #[garde(custom(rules::presented))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 1024)]
    pub password: Secret,
}

/// `POST /api/auth/email/confirm`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailConfirmRequest {
    /// From the mail.
    #[garde(custom(rules::presented))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 1024)]
    pub token: Secret,
}

/// How the caller's address stands. Not the address itself: the answer is kept with
/// the journal entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EmailAnswer {
    pub status: EmailStatus,
    /// Until when a pending address can be confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub confirm_until: Option<Timestamp>,
}

/// How an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailStatus {
    /// It waits to be confirmed; a mail is on its way. The former one, if any, is in
    /// use until then.
    Pending,
    /// It is the caller's.
    Confirmed,
    /// There is none, nor one that waits.
    Removed,
}
