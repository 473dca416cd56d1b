//! The daily claim.

use jiff::civil::Date;

use crate::{
    Account, Ctx, Fact, Legs, Plan, Player, Rejection,
    streak::{self, Standing},
};

/// The claim's natural key: one per player, action and UTC day, whatever the
/// caller sends as its own key.
#[must_use]
pub fn natural_key(player: crate::PlayerId, day: Date) -> String {
    format!("streak:{player}:claim:{day}")
}

/// Claims the day: grows the streak (or begins it anew), pays gold and experience.
///
/// The natural key answers a second claim of the day. [`Rejection::AlreadyClaimed`]
/// is for the caller whose clock runs behind: a later day is claimed already.
///
/// # Errors
/// [`Rejection::AlreadyClaimed`], [`Rejection::AmountOutOfRange`] when the
/// balance would not fit.
pub fn decide(player: &Player, ctx: &Ctx) -> Result<Plan, Rejection> {
    let day = ctx.today();
    if player.streak.standing(day) == Standing::Claimed {
        return Err(Rejection::AlreadyClaimed);
    }
    let (count, protections_used) = player.streak.after_claim(day);
    let reward = streak::reward(count);
    let fact = Fact::StreakClaimed {
        day,
        count,
        gold: reward.gold,
        xp: reward.xp,
        protections_used,
        formula: streak::FORMULA.to_owned(),
    };
    Plan::new(player, ctx, fact, Legs::to_player(Account::MintStreak, reward.gold)?)
}
