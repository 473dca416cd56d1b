//! The bookkeeping of a login whose password was right.

use super::sign_up::session_end;
use crate::{Change, Ctx, Fact, Legs, Plan, Player, Rejection, SessionId};

/// Records the login and opens a session.
///
/// # Errors
/// None of its own.
pub fn decide(player: &Player, ctx: &Ctx) -> Result<Plan, Rejection> {
    let session = SessionId::mint(ctx);
    Ok(Plan::new(player, ctx, Fact::PlayerLoggedIn { session }, Legs::none())?
        .with(Change::OpenSession { session, expires_at: session_end(ctx) }))
}
