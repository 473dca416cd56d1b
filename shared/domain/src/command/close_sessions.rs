//! Signing out.

use crate::{Closed, Ctx, Fact, Legs, Plan, Player, Rejection, SessionId};

/// Ends the session the request came in.
///
/// # Errors
/// None of its own.
pub fn one(player: &Player, session: SessionId, ctx: &Ctx) -> Result<Plan, Rejection> {
    let fact = Fact::SessionClosed { session, reason: Closed::Logout };
    Plan::new(player, ctx, fact, Legs::none())
}

/// Ends every session. The fact says how many there were.
///
/// # Errors
/// None of its own.
pub fn all(player: &Player, ctx: &Ctx) -> Result<Plan, Rejection> {
    let sessions = player.sessions.live(ctx.now);
    Plan::new(player, ctx, Fact::SessionsClosed { sessions }, Legs::none())
}
