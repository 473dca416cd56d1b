//! The bookkeeping of a login whose password was right.

use crate::{
    Change, Credential, Ctx, Fact, Legs, PasswordHash, Plan, Player, Rejection, SessionId,
};

/// Records the login and opens a session. `set_by` is which password it was, as
/// [`Credential::set_by`]; `rehashed` its new hash, when the stored one was made
/// with other parameters than the present ones.
///
/// # Errors
/// [`Rejection::PasswordMoved`] when the password has changed since.
pub fn decide(
    player: &Player,
    set_by: u64,
    rehashed: Option<&PasswordHash>,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    if player.password_seq != set_by {
        return Err(Rejection::PasswordMoved);
    }
    let session = SessionId::mint(ctx);
    let plan = Plan::new(player, ctx, Fact::PlayerLoggedIn { session }, Legs::none())?;
    Ok(match rehashed {
        Some(password_hash) => {
            let credential = Credential { password_hash: password_hash.clone(), set_by };
            plan.with(Change::StoreCredential { credential })
        }
        None => plan,
    })
}
