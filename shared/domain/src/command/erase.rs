//! The wish to be forgotten.

use crate::{Account, Change, Ctx, Fact, Legs, Plan, Player, PlayerId, Rejection};

/// A player can be forgotten once.
#[must_use]
pub fn natural_key(player: PlayerId) -> String {
    format!("erase:{player}")
}

/// Forgets names, password and mail address, ends every session and burns the balance. The
/// journal stays: it holds nothing personal, and the books need it.
///
/// # Errors
/// None of its own.
pub fn decide(player: &Player, ctx: &Ctx) -> Result<Plan, Rejection> {
    let legs = Legs::to_player(Account::BurnErasure, player.gold.negated()?)?;
    Ok(Plan::new(player, ctx, Fact::PlayerErased {}, legs)?
        .with(Change::ReleaseSiteId { site_id: player.profile.site_id.clone() })
        .with(Change::ReleaseNickname { nickname: player.profile.nickname.clone() })
        .with(Change::DropCredential)
        .with(Change::DropEmail)
        .with(Change::DropPendingEmail)
        .with(Change::Retire))
}
