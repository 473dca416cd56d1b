//! The nightly repair: a missed day consumes a protection or ends the streak.

use jiff::{ToSpan, civil::Date};

use crate::{Ctx, Fact, Legs, Plan, Player, PlayerId, Rejection, streak::Standing};

/// One repair per player and UTC day, however often the schedule runs.
#[must_use]
pub fn natural_key(player: PlayerId, day: Date) -> String {
    format!("streak-repair:{player}:{day}")
}

/// What must be mended today, if anything. Days up to yesterday are settled;
/// today can still be claimed.
///
/// # Errors
/// None of its own.
pub fn decide(player: &Player, ctx: &Ctx) -> Result<Option<Plan>, Rejection> {
    let today = ctx.today();
    let fact = match player.streak.standing(today) {
        Standing::Claimed | Standing::Unbroken => return Ok(None),
        Standing::Protected { days } => Fact::StreakProtectionConsumed {
            day: today.saturating_sub(1.days()),
            protections_used: days,
        },
        Standing::Broken { .. } if player.streak.count == 0 => return Ok(None),
        Standing::Broken { protections_used } => {
            Fact::StreakBroken { day: today, count_before: player.streak.count, protections_used }
        }
    };
    Plan::new(player, ctx, fact, Legs::none()).map(Some)
}
