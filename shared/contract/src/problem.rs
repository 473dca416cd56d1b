//! What went wrong, in words that do not change: the problem body of RFC 9457
//! and the registry of its codes.

mod code;
mod field;

pub use code::{Code, Wording};
pub use field::{Field, Rule};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The media type of [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The body of every answer that is not a success.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Identifies the kind of problem; stable, one per `code`.
    #[serde(rename = "type")]
    #[schema(example = "urn:casino-club:problem:insufficient_funds")]
    pub type_uri: String,
    /// The kind of problem in a few words, in the reader's language.
    pub title: String,
    /// The HTTP status, repeated.
    #[schema(example = 422)]
    pub status: u16,
    /// What happened and what to do, in the reader's language.
    pub detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api/games/slot/spin")]
    pub instance: Option<String>,
    /// The stable code programs decide by.
    #[schema(value_type = String, example = "insufficient_funds")]
    pub code: Code,
    /// Which parts of the request were wrong, if it was the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The same in the shape older frontends read.
    pub error: OlderError,
    /// Names this request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Members that belong to one code, such as `retry_after_minutes`.
    #[serde(flatten)]
    #[schema(ignore)]
    pub members: Map<String, Value>,
}

/// One part of a request that was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer into the body; `/name` of a query parameter or header; empty
    /// for the body as a whole.
    #[schema(example = "/bet")]
    pub pointer: String,
    /// The stable code of the rule it broke.
    #[schema(example = "too_small")]
    pub code: String,
    /// The rule in the reader's language.
    pub detail: String,
}

/// The error shape of older frontends.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OlderError {
    #[schema(value_type = String)]
    pub code: Code,
    pub message: String,
}
