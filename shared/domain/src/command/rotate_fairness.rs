//! A new fairness epoch.

use crate::{Ctx, Fact, Legs, Plan, Player, Rejection, fairness};

/// Ends the epoch, whose server seed may then be shown, and begins the next with
/// the player's new client seed.
///
/// # Errors
/// [`Rejection::InvalidClientSeed`].
pub fn decide(player: &Player, client_seed: &str, ctx: &Ctx) -> Result<Plan, Rejection> {
    if !fairness::is_client_seed(client_seed) {
        return Err(Rejection::InvalidClientSeed);
    }
    let epoch = player.fairness.epoch.checked_add(1).ok_or(Rejection::AmountOutOfRange)?;
    let fact = Fact::FairnessRotated { epoch, client_seed: client_seed.to_owned() };
    Plan::new(player, ctx, fact, Legs::none())
}
