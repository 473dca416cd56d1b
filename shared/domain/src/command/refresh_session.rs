//! A refresh token is presented.

use crate::{Closed, Ctx, Fact, Legs, Plan, Player, Presented, Rejection, SessionId};

/// Gives the session its next refresh token; or ends it, if the token was used up
/// before: then somebody has a copy, and nobody knows which of the two is the
/// player. The fact of the plan says which it was.
///
/// # Errors
/// [`Rejection::SessionOver`].
pub fn decide(
    player: &Player,
    session: SessionId,
    generation: u32,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let fact = match player.sessions.presented(session, generation, ctx.now) {
        Presented::Good => Fact::SessionRefreshed {
            session,
            generation: generation.checked_add(1).ok_or(Rejection::SessionOver)?,
        },
        Presented::UsedUp => Fact::SessionClosed { session, reason: Closed::TokenReused },
        Presented::Over => return Err(Rejection::SessionOver),
    };
    Plan::new(player, ctx, fact, Legs::none())
}
