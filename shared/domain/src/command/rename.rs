//! Another nickname.

use crate::{Change, Ctx, Fact, Legs, Plan, Player, Profile, Rejection};

/// Takes the nickname and gives the old one back; `None` if it is the player's
/// already.
///
/// # Errors
/// At commit [`Rejection::NicknameTaken`].
pub fn decide(player: &Player, nickname: &str, ctx: &Ctx) -> Result<Option<Plan>, Rejection> {
    if player.profile.nickname == nickname {
        return Ok(None);
    }
    let plan = Plan::new(player, ctx, Fact::PlayerRenamed {}, Legs::none())?;
    Ok(Some(renamed(plan, player, nickname)))
}

/// The plan for a player who has the nickname from then on.
pub(super) fn renamed(plan: Plan, player: &Player, nickname: &str) -> Plan {
    let old = &player.profile.nickname;
    let profile = Profile { nickname: nickname.to_owned(), ..player.profile.clone() };
    let plan = plan.with_profile(profile);
    // Names differing in case are one name: the player's own stays reserved.
    if old.to_lowercase() == nickname.to_lowercase() {
        return plan;
    }
    plan.with(Change::ReserveNickname { nickname: nickname.to_owned() })
        .with(Change::ReleaseNickname { nickname: old.clone() })
}
