//! A player's state: what the next decision needs, nothing more.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{Account, Entry, Fact, Gold, Overflow, PlayerId, Role, Sessions, limits::Paces};

/// A player's state. `version` is the number of the last journal entry, so the
/// state is the fold of entries `1..=version`, besides the personal
/// [`Profile`], which entries do not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Player {
    pub id: PlayerId,
    /// Number of journal entries; 0 before signup.
    pub version: u64,
    /// Never negative.
    pub gold: Gold,
    /// Gold that was bought, spent and then refunded or charged back; what the
    /// player gets next repays it first. Never negative.
    #[serde(default, skip_serializing_if = "Gold::is_zero")]
    pub debt: Gold,
    pub total_xp: u64,
    pub vip_points: u64,
    pub streak: Streak,
    pub fairness: FairnessEpoch,
    /// Time of the last entry. Entries never go back in time, whatever the
    /// clocks of the machines that wrote them.
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Sessions::is_empty")]
    pub sessions: Sessions,
    #[serde(default, skip_serializing_if = "Paces::is_empty")]
    pub paces: Paces,
    /// Number of the entry that set the password; 0 when nobody can log in.
    #[serde(default = "first")]
    pub password_seq: u64,
    pub profile: Profile,
}

/// Signing up, which is always the first entry, sets a password.
const fn first() -> u64 {
    1
}

/// The personal part, erasable without touching the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub site_id: String,
    pub nickname: String,
    pub role: Role,
    pub must_change_password: bool,
    /// The player wished to be forgotten; only the books are left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// The daily streak.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// Days in a row, up to and including `last_day`.
    pub count: u32,
    pub longest: u32,
    /// Missed days that will not break the streak.
    pub protections: u32,
    /// The last day claimed (or covered by a protection), UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_day: Option<Date>,
}

/// The fairness commitment in force. See [`crate::fairness`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FairnessEpoch {
    pub epoch: u32,
    pub client_seed: String,
}

impl Profile {
    /// What is shown of someone who wished to be forgotten. Not a name that anyone
    /// can take.
    #[must_use]
    pub fn erased(id: PlayerId) -> Self {
        let name = format!("erased:{id}");
        Self { site_id: name.clone(), nickname: name, erased: true, ..Self::default() }
    }
}

impl Player {
    /// A player before the first entry.
    #[must_use]
    pub fn unborn(id: PlayerId, profile: Profile) -> Self {
        Self {
            id,
            version: 0,
            gold: Gold::ZERO,
            debt: Gold::ZERO,
            total_xp: 0,
            vip_points: 0,
            streak: Streak::default(),
            fairness: FairnessEpoch::default(),
            updated_at: Timestamp::UNIX_EPOCH,
            sessions: Sessions::default(),
            paces: Paces::default(),
            password_seq: 0,
            profile,
        }
    }

    /// The number the next entry will have; also the nonce of the next round.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.version + 1
    }

    /// The state after `entry`: the only function that changes a state.
    ///
    /// # Errors
    /// [`Overflow`] when the balance or the experience would leave its range.
    ///
    /// # Panics
    /// When `entry` is not the next one; a gap is a bug, never an input.
    pub fn apply(&self, entry: &Entry) -> Result<Self, Overflow> {
        assert_eq!(entry.seq, self.next_seq(), "entries apply in order, without gaps");
        let mut next = self.clone();
        next.version = entry.seq;
        next.updated_at = entry.at;
        next.gold = self.gold.plus(entry.legs.of_player())?;
        next.debt = self.debt.minus(entry.legs.of(Account::BurnDebt))?;
        next.paces.count(&entry.fact, entry.at);
        match &entry.fact {
            Fact::PlayerSignedUp { client_seed, session } => {
                next.fairness = FairnessEpoch { epoch: 1, client_seed: client_seed.clone() };
                next.sessions.open(*session, entry.at);
                next.password_seq = entry.seq;
            }
            Fact::PlayerLoggedIn { session, .. } => next.sessions.open(*session, entry.at),
            Fact::SessionRefreshed { session, generation } => {
                next.sessions.refresh(*session, *generation, entry.at);
            }
            Fact::SessionClosed { session, .. } => next.sessions.close(*session),
            Fact::SessionsClosed { .. } => next.sessions.close_all_but(None),
            Fact::PasswordChanged { session } => {
                next.sessions.close_all_but(Some(*session));
                next.profile.must_change_password = false;
                next.password_seq = entry.seq;
            }
            Fact::PlayerErased {} => {
                next.sessions = Sessions::default();
                next.paces = Paces::default();
                next.profile = Profile::erased(self.id);
                next.password_seq = 0;
            }
            Fact::PlayerReset {} => {
                next.debt = Gold::ZERO;
                next.total_xp = 0;
                next.vip_points = 0;
                next.streak = Streak::default();
                next.password_seq = entry.seq;
                next.sessions = Sessions::default();
                next.paces = Paces::default();
            }
            Fact::PlayerRenamed {}
            | Fact::InviteCodeIssued { .. }
            | Fact::RoundSettled { .. }
            | Fact::LimitedPackageOffered { .. }
            | Fact::PromoCodeIssued { .. }
            | Fact::EmailChanged { .. }
            | Fact::WebhookEndpointChanged { .. }
            | Fact::WebhookDeliveryReplayed { .. }
            | Fact::DeadLetterReplayed { .. } => {}
            Fact::StreakClaimed { day, count, xp, protections_used, .. } => {
                next.total_xp = self.total_xp.checked_add(u64::from(*xp)).ok_or(Overflow)?;
                next.streak.last_day = Some(*day);
                next.streak.count = *count;
                next.streak.longest = self.streak.longest.max(*count);
                next.streak.protections = self.streak.protections.saturating_sub(*protections_used);
            }
            Fact::StreakProtectionConsumed { day, protections_used } => {
                next.streak.last_day = Some(*day);
                next.streak.protections = self.streak.protections.saturating_sub(*protections_used);
            }
            Fact::StreakBroken { protections_used, .. } => {
                next.streak.count = 0;
                next.streak.protections = self.streak.protections.saturating_sub(*protections_used);
            }
            Fact::ItemPurchased { protections, .. } => {
                next.streak.protections =
                    self.streak.protections.checked_add(*protections).ok_or(Overflow)?;
            }
            Fact::FairnessRotated { epoch, client_seed } => {
                next.fairness = FairnessEpoch { epoch: *epoch, client_seed: client_seed.clone() };
            }
            Fact::PurchaseAdvanced { granted, clawback, .. } => {
                let protections = &mut next.streak.protections;
                *protections = protections.checked_add(granted.protections()).ok_or(Overflow)?;
                if let Some(clawback) = clawback {
                    *protections = protections.saturating_sub(clawback.protections);
                    next.debt = next.debt.plus(clawback.owed)?;
                }
            }
            Fact::FraudDecided { .. } | Fact::FraudRulesActivated { .. } => {}
        }
        Ok(next)
    }
}
