//! What the layers of [`super::app`] know of the request at hand and hand to the
//! extractors.

use std::sync::{Arc, OnceLock};

use axum::http::request::Parts;
use uuid::Uuid;

use super::Meta;
use crate::{Problem, auth::JwtKeys, secrets::Rotating};

/// One per request, in its extensions.
pub(super) struct Scope {
    pub meta: Meta,
    /// `None` in functions that know no callers.
    pub keys: Option<Rotating<JwtKeys>>,
    /// Set when the caller is known, for the log.
    pub player: OnceLock<Uuid>,
}

#[derive(Debug, thiserror::Error)]
#[error("the router is not wrapped in runtime::http::app")]
struct NotWrapped;

impl Scope {
    pub fn of(parts: &Parts) -> Result<&Arc<Self>, Problem> {
        parts.extensions.get::<Arc<Self>>().ok_or_else(|| Problem::internal(NotWrapped))
    }
}
