//! Who is asking.

use axum::{extract::FromRequestParts, http::request::Parts};
use contract::auth::{AccessClaims, Role};
use domain::{Credentials, PlayerId, SessionId};
use store::Subject;

use crate::Problem;

/// The signed-in caller of a route that is [`guarded`](super::guarded).
///
/// A genuine token is not all: its session may have ended since. So a handler
/// reads and changes nothing by the caller's id, but by [`Caller::subject`], which
/// the store checks against the state it loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    player: PlayerId,
    role: Role,
    session: SessionId,
}

#[derive(Debug, thiserror::Error)]
#[error("a route needs to know its caller, but is not guarded")]
struct NotGuarded;

impl Caller {
    #[must_use]
    pub const fn player(&self) -> PlayerId {
        self.player
    }

    /// As the token has it.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The refresh family the token belongs to.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The caller, as the store knows them.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        self.as_subject(false)
    }

    /// The same, even if their password must change first: for the few calls that
    /// lead there or out.
    #[must_use]
    pub const fn subject_before_password_change(&self) -> Subject {
        self.as_subject(true)
    }

    const fn as_subject(&self, before_password_change: bool) -> Subject {
        let Self { player, role, session } = *self;
        Subject::caller(player, Credentials { session, role, before_password_change })
    }
}

impl From<AccessClaims> for Caller {
    fn from(claims: AccessClaims) -> Self {
        Self { player: claims.sub.into(), role: claims.role, session: claims.sid.into() }
    }
}

impl From<crate::auth::TokenError> for Problem {
    fn from(error: crate::auth::TokenError) -> Self {
        Self::new(contract::Code::Unauthenticated).caused_by(error)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| Problem::internal(NotGuarded))
    }
}
