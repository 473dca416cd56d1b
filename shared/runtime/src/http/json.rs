//! Request bodies.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use contract::{Code, Field, Rule};
use garde::Validate;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::Segment;

use super::by_name::ByName;
use crate::Problem;

/// The largest body that a request may have, unless an endpoint takes less.
pub const BODY_LIMIT_BYTES: usize = 256 * 1024;
/// A pointer longer than this is cut: its text comes from the request.
const POINTER_LIMIT_CHARS: usize = 128;

/// The request's JSON body, an object, read and validated.
///
/// | wrong | answer |
/// |---|---|
/// | not `application/json` (or `+json`) | 400 `unsupported_content_type` |
/// | over `LIMIT` bytes | 413 `body_too_large` |
/// | not JSON | 400 `malformed_json` |
/// | JSON of the wrong shape, or breaking a rule | 422 `validation_failed` with pointers |
#[derive(Clone, Copy, Debug)]
pub struct Json<T, const LIMIT: usize = BODY_LIMIT_BYTES>(pub T);

impl<S, T, const LIMIT: usize> FromRequest<S> for Json<T, LIMIT>
where
    S: Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(Code::UnsupportedContentType));
        }
        read_json(&whole_body(request, LIMIT).await?).map(Self)
    }
}

/// The request's body as it came, for what is signed. 413 `body_too_large` over
/// [`BODY_LIMIT_BYTES`].
#[derive(Clone, Debug)]
pub struct Raw(pub Bytes);

impl<S: Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        whole_body(request, BODY_LIMIT_BYTES).await.map(Self)
    }
}

async fn whole_body(request: Request, limit_bytes: usize) -> Result<Bytes, Problem> {
    let body = Limited::new(request.into_body(), limit_bytes);
    Ok(body.collect().await.map_err(unreadable)?.to_bytes())
}

/// Reads and validates a JSON document: what [`Json`] does with a body, for
/// documents that arrive another way, such as socket messages.
///
/// # Errors
/// 400 `malformed_json` or 422 `validation_failed`.
pub fn read_json<T: DeserializeOwned + Validate<Context = ()>>(bytes: &[u8]) -> Result<T, Problem> {
    // Told apart here, so that half an array is malformed and not of the wrong shape.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Problem::invalid(vec![Field::new("", Rule::WrongType)]),
            Err(_) => Problem::new(Code::MalformedJson),
        });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(ByName(&mut json)).map_err(|error| {
        let pointer = pointer(error.path());
        misread(pointer, error.inner())
    })?;
    json.end().map_err(|_| Problem::new(Code::MalformedJson))?;
    contract::validate(&value).map_err(Problem::invalid)?;
    Ok(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let media = media.trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> Problem {
    if error.is::<LengthLimitError>() {
        Problem::new(Code::BodyTooLarge)
    } else {
        Problem::new(Code::MalformedJson).caused_by(error)
    }
}

/// serde says what is wrong only in words; these are stable and pinned by tests.
fn misread(pointer: String, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    // A number beyond f64 is valid JSON, but counts as a syntax error to serde.
    let out_of_range = message.starts_with("number out of range");
    if !(error.is_data() || out_of_range) {
        return Problem::new(Code::MalformedJson);
    }
    Problem::invalid(vec![shape_error(pointer, &message)])
}

/// The field and rule of a shape error. "Missing" points at the container, so its
/// name comes from the message; "unknown" and "duplicate" are made to agree.
pub(super) fn shape_error(pointer: String, message: &str) -> Field {
    let name = || message.split('`').nth(1).unwrap_or_default();
    let rule = if message.starts_with("missing field") {
        Rule::Required
    } else if message.starts_with("unknown field") {
        Rule::UnknownField
    } else if message.starts_with("duplicate field") {
        Rule::DuplicateField
    } else {
        return Field::new(cut(pointer), Rule::WrongType);
    };
    let suffix = format!("/{}", escape(name()));
    let pointer = if pointer.ends_with(&suffix) { pointer } else { pointer + &suffix };
    Field::new(cut(pointer), rule)
}

pub(super) fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Escapes a name for a JSON Pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn cut(pointer: String) -> String {
    match pointer.char_indices().nth(POINTER_LIMIT_CHARS) {
        Some((end, _)) => pointer[..end].to_owned(),
        None => pointer,
    }
}
