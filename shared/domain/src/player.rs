//! A player's state: what the next decision needs, nothing more.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{Entry, Fact, Gold, Overflow, PlayerId, Role};

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
    pub total_xp: u64,
    pub vip_points: u64,
    pub streak: Streak,
    pub fairness: FairnessEpoch,
    /// Time of the last entry. Entries never go back in time, whatever the
    /// clocks of the machines that wrote them.
    pub updated_at: Timestamp,
    pub profile: Profile,
}

/// The personal part, erasable without touching the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub site_id: String,
    pub nickname: String,
    pub role: Role,
    pub must_change_password: bool,
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

impl Player {
    /// A player before the first entry.
    #[must_use]
    pub fn unborn(id: PlayerId, profile: Profile) -> Self {
        Self {
            id,
            version: 0,
            gold: Gold::ZERO,
            total_xp: 0,
            vip_points: 0,
            streak: Streak::default(),
            fairness: FairnessEpoch::default(),
            updated_at: Timestamp::UNIX_EPOCH,
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
        match &entry.fact {
            Fact::PlayerSignedUp { client_seed, .. } => {
                next.fairness = FairnessEpoch { epoch: 1, client_seed: client_seed.clone() };
            }
            Fact::PlayerLoggedIn { .. } | Fact::RoundSettled { .. } => {}
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
        }
        Ok(next)
    }
}
