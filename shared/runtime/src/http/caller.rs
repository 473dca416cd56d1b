//! Who is asking.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{header, request::Parts},
};
use contract::{
    Code,
    auth::{AccessClaims, Role},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::scope::Scope;
use crate::Problem;

/// The signed-in caller, from `Authorization: Bearer`.
///
/// A missing, malformed, expired or forged token is 401 `unauthenticated`. As
/// `Option<Caller>` a missing token is `None`; a bad one is still refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub player: Uuid,
    pub role: Role,
    /// The refresh family the token belongs to.
    pub session: Uuid,
    /// When the token was issued.
    pub issued_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
#[error("a route needs to know its caller, but is not in a signed_in_app")]
struct NoKeys;

impl Caller {
    /// Refuses a caller below the given role.
    ///
    /// # Errors
    /// 403 `forbidden`.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role { Ok(()) } else { Err(Problem::new(Code::Forbidden)) }
    }

    async fn from_parts(parts: &Parts, authorization: &str) -> Result<Self, Problem> {
        let scope: &Arc<Scope> = Scope::of(parts)?;
        let keys = scope.keys.as_ref().ok_or_else(|| Problem::internal(NoKeys))?;
        let (scheme, token) =
            authorization.split_once(' ').ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::new(Code::Unauthenticated));
        }
        let claims = keys.current().await?.verify(token.trim(), scope.meta.now)?;
        let caller = Self::try_from(claims)?;
        // Set once: a second extraction in the same request finds the same caller.
        let _ = scope.player.set(caller.player);
        Ok(caller)
    }
}

impl TryFrom<AccessClaims> for Caller {
    type Error = Problem;

    fn try_from(claims: AccessClaims) -> Result<Self, Problem> {
        let issued_at = Timestamp::from_second(claims.iat)
            .map_err(|error| Problem::new(Code::Unauthenticated).caused_by(error))?;
        Ok(Self { player: claims.sub, role: claims.role, session: claims.sid, issued_at })
    }
}

impl From<crate::auth::TokenError> for Problem {
    fn from(error: crate::auth::TokenError) -> Self {
        Self::new(Code::Unauthenticated).caused_by(error)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header = header.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        Self::from_parts(parts, header).await
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}
