//! The key that makes a request safe to repeat.

use std::{fmt, str::FromStr};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};
use contract::{Code, Rule};

use crate::Problem;

const NAMES: [&str; 2] = ["idempotency-key", "x-idempotency-key"];

/// The request's `Idempotency-Key` (or the older `X-Idempotency-Key`): 1 to 128
/// visible ASCII characters.
///
/// Missing is 422 `idempotency_key_required`, unless taken as
/// `Option<IdempotencyKey>`; unusable is 422 `idempotency_key_invalid` in both
/// forms, and so are two different keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Not 1 to 128 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 128 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    fn from_parts(parts: &Parts) -> Result<Option<Self>, Problem> {
        let mut key: Option<Self> = None;
        for value in NAMES.iter().flat_map(|name| parts.headers.get_all(*name)) {
            let this = value.to_str().map_err(|_| InvalidKey).and_then(str::parse)?;
            if key.is_some_and(|other| other != this) {
                return Err(InvalidKey.into());
            }
            key = Some(this);
        }
        Ok(key)
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let length_fits = (1..=128).contains(&text.len());
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if length_fits && visible { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<InvalidKey> for Problem {
    fn from(_: InvalidKey) -> Self {
        Self::new(Code::IdempotencyKeyInvalid).field("/Idempotency-Key", Rule::InvalidFormat)
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::from_parts(parts)?.ok_or_else(|| {
            Problem::new(Code::IdempotencyKeyRequired).field("/Idempotency-Key", Rule::Required)
        })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::from_parts(parts)
    }
}
