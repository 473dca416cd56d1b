//! A spin of the slot.

use crate::{
    Account, Ctx, Fact, Game, Gold, Legs, Plan, Player, Rejection, RoundId,
    fairness::{Draws, ServerSeed},
    slot::Paytable,
};

/// Takes the bet, draws the reels, pays the win: one round, one entry.
///
/// The nonce of the round is the entry's own number, so it is used once and
/// nobody can choose it.
///
/// # Errors
/// [`Rejection::BetTooSmall`], [`Rejection::BetTooLarge`],
/// [`Rejection::InsufficientFunds`] when the balance is below the bet (a win
/// does not pay for its own bet), [`Rejection::AmountOutOfRange`].
pub fn decide(
    player: &Player,
    bet: Gold,
    paytable: &Paytable,
    server_seed: &ServerSeed,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let (minimum, maximum) = (Gold::new(paytable.min_bet), Gold::new(paytable.max_bet));
    if bet < minimum {
        return Err(Rejection::BetTooSmall { minimum });
    }
    if bet > player.gold {
        return Err(Rejection::InsufficientFunds { needed: bet, available: player.gold });
    }
    if bet > maximum {
        return Err(Rejection::BetTooLarge { maximum });
    }
    let mut draws = Draws::new(server_seed, &player.fairness.client_seed, player.next_seq());
    let outcome = paytable.spin(&mut draws);
    let multiplier = paytable.multiplier(&outcome);
    let win = bet.times(i64::from(multiplier))?;
    let fact = Fact::RoundSettled {
        game: Game::Slot,
        round: RoundId::mint(ctx),
        bet,
        win,
        multiplier,
        outcome,
        epoch: player.fairness.epoch,
        paytable: paytable.version.clone(),
    };
    Plan::new(player, ctx, fact, Legs::to_player(Account::HouseSlot, win.minus(bet)?)?)
}
