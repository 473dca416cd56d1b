//! Having a record published that had been given up.

use crate::{Change, Ctx, Entry, Fact, Legs, Plan, Player, Rejection, dead_letter::DeadLetter};

/// Notes on the operator's journal that `entry`, which the letter is about, has been
/// published, and ends the letter.
///
/// # Errors
/// At commit [`Rejection::DeadLetterNotFound`], when somebody else has ended it.
pub fn decide(
    operator: &Player,
    letter: &DeadLetter,
    entry: &Entry,
    reason: &str,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let fact = Fact::DeadLetterReplayed {
        letter: letter.id,
        player: entry.player,
        seq: entry.seq,
        reason: reason.to_owned(),
    };
    let plan = Plan::new(operator, ctx, fact, Legs::none())?;
    Ok(plan.with(Change::EndDeadLetter { id: letter.id }))
}
