//! The address a player gets notices at: given, confirmed, taken away.

use jiff::{SignedDuration, Timestamp};

use crate::{
    Change, Ctx, Email, EmailAddress, EmailChange, Fact, Legs, Plan, Player, PlayerId, Rejection,
};

/// How long an address waits to be confirmed.
pub const CONFIRM_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// A request can be confirmed once.
#[must_use]
pub fn confirmation_key(player: PlayerId, requested_by: u64) -> String {
    format!("email:{player}:{requested_by}")
}

/// Until when an address can be confirmed that was given at `requested_at`; whole
/// seconds.
#[must_use]
pub fn confirm_until(requested_at: Timestamp) -> Timestamp {
    let until = requested_at.checked_add(CONFIRM_WITHIN).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(until.as_second()).expect("the seconds of an instant are one")
}

/// Keeps an address until whoever reads its mails confirms it. The address that the
/// player has, if any, stays theirs until then. That the password is known was checked
/// before; `set_by` is which one, as [`crate::Credential::set_by`].
///
/// # Errors
/// [`Rejection::PasswordMoved`] when the password has changed since,
/// [`Rejection::RateLimited`].
pub fn request(
    player: &Player,
    address: EmailAddress,
    set_by: u64,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    if player.password_seq != set_by {
        return Err(Rejection::PasswordMoved);
    }
    let plan = plan(player, EmailChange::Requested, ctx)?;
    let entry = plan.entry();
    let email = Email { address, requested_by: entry.seq, confirm_until: confirm_until(entry.at) };
    Ok(plan.with(Change::StorePendingEmail { email }))
}

/// Makes the address that waits the player's.
///
/// # Errors
/// [`Rejection::EmailNotPending`] when its time is over; at commit also when another
/// one waits meanwhile, or none.
pub fn confirm(player: &Player, email: &Email, ctx: &Ctx) -> Result<Plan, Rejection> {
    if email.confirm_until <= ctx.now {
        return Err(Rejection::EmailNotPending);
    }
    let plan = plan(player, EmailChange::Confirmed, ctx)?;
    Ok(plan
        .with(Change::TakePendingEmail { requested_by: email.requested_by })
        .with(Change::StoreEmail { email: email.clone() }))
}

/// Forgets the player's address, and one that waits.
///
/// # Errors
/// None of its own.
pub fn remove(player: &Player, ctx: &Ctx) -> Result<Plan, Rejection> {
    Ok(plan(player, EmailChange::Removed, ctx)?
        .with(Change::DropEmail)
        .with(Change::DropPendingEmail))
}

fn plan(player: &Player, change: EmailChange, ctx: &Ctx) -> Result<Plan, Rejection> {
    Plan::new(player, ctx, Fact::EmailChanged { change }, Legs::none())
}
