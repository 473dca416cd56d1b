//! A new password.

use crate::{
    Change, Credential, Ctx, Devices, Fact, Legs, PasswordHash, Plan, Player, Rejection, SessionId,
};

/// Stores the new password's hash and ends every session but the one the request
/// came in. That the present password is known was checked before; `set_by` is
/// which one that was, as [`Credential::set_by`], and `devices` what was kept with it:
/// another password makes no device a new one.
///
/// # Errors
/// [`Rejection::PasswordMoved`] when it has changed since.
pub fn decide(
    player: &Player,
    session: SessionId,
    set_by: u64,
    password_hash: PasswordHash,
    devices: Devices,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    if player.password_seq != set_by {
        return Err(Rejection::PasswordMoved);
    }
    let plan = Plan::new(player, ctx, Fact::PasswordChanged { session }, Legs::none())?;
    let credential = Credential { password_hash, set_by: plan.entry().seq, devices };
    Ok(plan.with(Change::StoreCredential { credential }))
}
