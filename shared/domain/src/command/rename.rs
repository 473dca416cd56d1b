//! Another nickname.

use crate::{Change, Ctx, Fact, Legs, Plan, Player, Profile, Rejection};

/// Takes the nickname and gives the old one back; `None` if it is the player's
/// already.
///
/// # Errors
/// At commit [`Rejection::NicknameTaken`].
pub fn decide(player: &Player, nickname: &str, ctx: &Ctx) -> Result<Option<Plan>, Rejection> {
    let old = &player.profile.nickname;
    if old == nickname {
        return Ok(None);
    }
    let profile = Profile { nickname: nickname.to_owned(), ..player.profile.clone() };
    let plan = Plan::new(player, ctx, Fact::PlayerRenamed {}, Legs::none())?.with_profile(profile);
    // Names differing in case are one name: the player's own stays reserved.
    if old.to_lowercase() == nickname.to_lowercase() {
        return Ok(Some(plan));
    }
    Ok(Some(
        plan.with(Change::ReserveNickname { nickname: nickname.to_owned() })
            .with(Change::ReleaseNickname { nickname: old.clone() }),
    ))
}
