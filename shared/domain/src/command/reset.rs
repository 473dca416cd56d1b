//! A seed account begins anew. For development.

use super::{rename::renamed, sign_up::STARTING_GOLD};
use crate::{
    Account, Change, Credential, Ctx, Devices, Fact, Legs, PasswordHash, Plan, Player, Rejection,
};

/// Brings gold, experience and streak back to the start, ends every session,
/// replaces the nickname by one that tells nothing and the password by the given, and
/// forgets the mail address and the devices.
///
/// # Errors
/// [`Rejection::AmountOutOfRange`]; at commit [`Rejection::NicknameTaken`].
pub fn decide(player: &Player, password_hash: PasswordHash, ctx: &Ctx) -> Result<Plan, Rejection> {
    let nickname = format!("player-{}", &ctx.hex16("nickname")[..8]);
    let legs = Legs::to_player(Account::MintReset, STARTING_GOLD.minus(player.gold)?)?;
    let plan = Plan::new(player, ctx, Fact::PlayerReset {}, legs)?;
    let credential =
        Credential { password_hash, set_by: plan.entry().seq, devices: Devices::default() };
    Ok(renamed(plan, player, &nickname)
        .with(Change::StoreCredential { credential })
        .with(Change::DropEmail)
        .with(Change::DropPendingEmail))
}
