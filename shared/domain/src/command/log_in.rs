//! The bookkeeping of a login whose password was right.

use crate::{
    Change, Credential, Ctx, Device, Fact, Legs, PasswordHash, Plan, Player, Rejection, SessionId,
};

/// A right password, and what it came from.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// What the password was checked against.
    pub credential: Credential,
    /// The password's new hash, when the stored one was made with other parameters
    /// than the present ones.
    pub rehashed: Option<PasswordHash>,
    /// The device, by every key that is in use, the active one first.
    pub device: Vec<Device>,
}

/// Records the login and opens a session. A device that the player was not seen with
/// is remembered; it is new, unless it is the first one there is.
///
/// Of two first logins from two devices at once only one is remembered, and the other
/// is new once more: the credential was read before either of them.
///
/// # Errors
/// [`Rejection::PasswordMoved`] when the password has changed since.
pub fn decide(player: &Player, command: &LogIn, ctx: &Ctx) -> Result<Plan, Rejection> {
    let LogIn { credential, rehashed, device } = command;
    if player.password_seq != credential.set_by {
        return Err(Rejection::PasswordMoved);
    }
    let known = device.iter().any(|device| credential.devices.contains(*device));
    let unseen = device.first().filter(|_| !known);
    let new_device = unseen.is_some() && !credential.devices.is_empty();
    let session = SessionId::mint(ctx);
    let plan = Plan::new(player, ctx, Fact::PlayerLoggedIn { session, new_device }, Legs::none())?;
    if rehashed.is_none() && unseen.is_none() {
        return Ok(plan);
    }
    let mut credential = credential.clone();
    if let Some(password_hash) = rehashed {
        credential.password_hash = password_hash.clone();
    }
    if let Some(device) = unseen {
        credential.devices = credential.devices.with(*device);
    }
    Ok(plan.with(Change::StoreCredential { credential }))
}
