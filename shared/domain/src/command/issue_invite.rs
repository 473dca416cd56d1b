//! A new invite code.

use crate::{Change, Ctx, Fact, Invite, Legs, Plan, Player, Rejection};

/// Makes the code, on the journal of the operator who asks for it.
///
/// # Errors
/// At commit [`Rejection::InviteCodeExists`].
pub fn decide(
    operator: &Player,
    invite: &Invite,
    reason: &str,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let fact = Fact::InviteCodeIssued {
        code: invite.code.clone(),
        uses: invite.uses_left,
        expires_at: invite.expires_at,
        reason: reason.to_owned(),
    };
    let plan = Plan::new(operator, ctx, fact, Legs::none())?;
    Ok(plan.with(Change::IssueInvite { invite: invite.clone() }))
}
