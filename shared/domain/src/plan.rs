//! What a decision asks the store to write, in one transaction.

use jiff::{SignedDuration, Timestamp};

use crate::{
    Account, After, Answer, Ctx, DeadLetterId, Devices, Email, Entry, Fact, Gold, Invite, Legs,
    Once, Overflow, Player, PlayerId, Profile, ReceiptId, Rejection,
    fraud::{Assessment, Rules},
    limited::{Package, Promo},
    purchase::{Purchase, Status, Taken},
    webhook::{Delivery, DeliveryId, Directory},
};

/// The one entry a command adds, the state after it, and the other items that
/// must change with it. Every fact the decision relied on is a condition of the
/// write: the player's version always, the rest as each [`Change`] says.
#[derive(Clone, Debug)]
pub struct Plan {
    entry: Entry,
    after: Player,
    changes: Vec<Change>,
}

/// An item besides state, entry and idempotency pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Takes a site id; refused with [`Rejection::SiteIdTaken`] if it is taken.
    ReserveSiteId { site_id: String },
    /// Takes a nickname; refused with [`Rejection::NicknameTaken`] if it is taken.
    ReserveNickname { nickname: String },
    /// Gives a site id of the player's own back.
    ReleaseSiteId { site_id: String },
    /// Gives a nickname of the player's own back.
    ReleaseNickname { nickname: String },
    /// Stores the password's argon2id hash (PHC string).
    StoreCredential { credential: Credential },
    /// Forgets the password.
    DropCredential,
    /// Lists the player for scheduled work.
    Enroll,
    /// Takes the player off that list.
    Retire,
    /// Makes an invite code; refused with [`Rejection::InviteCodeExists`].
    IssueInvite { invite: Invite },
    /// Uses an invite code once; refused with [`Rejection::InvalidInviteCode`] when
    /// it is used up or has expired at `now`.
    UseInvite { code: String, now: Timestamp },
    /// Records a purchase that begins, open or not.
    BeginPurchase { purchase: Box<Purchase> },
    /// Moves a purchase on from the status it was decided on.
    AdvancePurchase { from: Status, purchase: Box<Purchase> },
    /// Puts an open purchase on the clean-up's list.
    Watch { receipt: ReceiptId, due_at: Timestamp },
    /// Takes a purchase off the clean-up's list.
    Unwatch { receipt: ReceiptId, due_at: Timestamp },
    /// Remembers a notice of the provider's, by its id; of two at once, the second
    /// looks again and finds it.
    RememberNotice { event_id: String, body_hash: String },
    /// Offers a package, with its stock; refused with [`Rejection::PackageExists`].
    OfferPackage { package: Box<Package> },
    /// Makes a promo code; refused with [`Rejection::PromoCodeExists`].
    IssuePromo { promo: Promo },
    /// Takes free units of a shard; of two buyers at once, the second looks again.
    TakeStock { package: String, taken: Taken, sold: bool },
    /// Held units of a shard are sold, or free again.
    SettleStock { package: String, taken: Taken, sold: bool },
    /// Counts units of a package against the player's cap; refused with
    /// [`Rejection::CapReached`].
    CountTowardsCap { package: String, units: u32, cap: u32 },
    /// Counts them no longer.
    DiscountFromCap { package: String, units: u32 },
    /// Uses a promo code once; refused with [`Rejection::InvalidPromoCode`] when it is
    /// used up.
    UsePromo { package: String, code: String },
    /// Gives the use back.
    ReturnPromo { package: String, code: String },
    /// Stores a decision in the fraud audit, for ever; refused with
    /// [`Rejection::FraudAlreadyDecided`] when the attempt has one.
    RecordFraudDecision { assessment: Assessment },
    /// Keeps a version of the fraud rules, for ever; refused with
    /// [`Rejection::FraudRulesMoved`] when there is such a version.
    KeepFraudRules { rules: Rules },
    /// Puts the rules in force; refused with [`Rejection::FraudRulesMoved`] unless
    /// those of the version before are.
    ActivateFraudRules { rules: Rules },
    /// Keeps an address until it is confirmed or expires, in place of another that
    /// waits.
    StorePendingEmail { email: Email },
    /// Ends the waiting of the address that this entry asked for; refused with
    /// [`Rejection::EmailNotPending`] when another one waits, or none.
    TakePendingEmail { requested_by: u64 },
    /// Stores the player's address, in place of another.
    StoreEmail { email: Email },
    /// Forgets the player's address, if there is one.
    DropEmail,
    /// Forgets the address that waits, if one does.
    DropPendingEmail,
    /// Stores the webhook endpoints; refused with [`Rejection::WebhooksMoved`] unless
    /// the version before is the stored one.
    SaveWebhooks { directory: Directory },
    /// Makes a failed delivery pending; refused with
    /// [`Rejection::WebhookDeliveryNotFailed`] unless the revision before is the stored
    /// one.
    ReplayDelivery { delivery: Delivery },
    /// Takes a delivery off the list of those that failed.
    UnlistFailedDelivery { id: DeliveryId },
    /// Takes a dead letter off the list; refused with [`Rejection::DeadLetterNotFound`]
    /// when it is not on it.
    EndDeadLetter { id: DeadLetterId },
}

/// What a login is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub password_hash: PasswordHash,
    /// Number of the entry that set the password, as [`Player::password_seq`] has it:
    /// a hash that was read before the password changed opens nothing after.
    pub set_by: u64,
    /// What the player was seen with.
    pub devices: Devices,
}

/// A password hash; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl Plan {
    /// The plan that `fact` and `legs` amount to.
    ///
    /// # Errors
    /// [`Rejection::InsufficientFunds`] when the balance would fall below zero,
    /// [`Rejection::AmountOutOfRange`] when it would not fit,
    /// [`Rejection::RateLimited`] when the player does this too fast.
    ///
    /// # Panics
    /// When the legs do not sum to zero: a bug in the deciding rule.
    pub fn new(before: &Player, ctx: &Ctx, fact: Fact, legs: Legs) -> Result<Self, Rejection> {
        let legs = repaying(before, &fact, legs)?;
        assert_eq!(legs.sum(), 0, "legs of {} sum to zero", fact.kind());
        let mut entry = Entry {
            player: before.id,
            seq: before.next_seq(),
            at: to_millis(ctx.now).max(before.updated_at),
            fact,
            legs,
            after: After { gold: before.gold, total_xp: before.total_xp, debt: before.debt },
            trace_id: ctx.trace_id.clone(),
            once: None,
            answer: None,
        };
        let after = before.apply(&entry)?;
        if after.gold.is_negative() {
            return Err(Rejection::InsufficientFunds {
                needed: entry.legs.of_player().negated()?,
                available: before.gold,
            });
        }
        before.paces.allow(&entry.fact, entry.at)?;
        entry.after = After { gold: after.gold, total_xp: after.total_xp, debt: after.debt };
        Ok(Self { entry, after, changes: Vec::new() })
    }

    /// Adds an item that must change with the entry.
    #[must_use]
    pub fn with(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Gives the player another profile: the personal part, which entries do not
    /// hold.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.after.profile = profile;
        self
    }

    /// Adds what makes the command happen once, and the answer to give again.
    #[must_use]
    pub fn sealed(mut self, once: Option<Once>, answer: Option<Answer>) -> Self {
        self.entry.once = once;
        self.entry.answer = answer;
        self
    }

    /// The entry to append.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The state with the entry applied.
    #[must_use]
    pub const fn after(&self) -> &Player {
        &self.after
    }

    /// The other items.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whose journal grows.
    #[must_use]
    pub const fn player(&self) -> PlayerId {
        self.entry.player
    }
}

/// The legs with what becomes of a credit that is not the player's to keep: it repays
/// a debt first, and what reaches somebody who wished to be forgotten is burned.
///
/// Here and nowhere else, so that no rule that gives gold can forget it.
fn repaying(before: &Player, fact: &Fact, legs: Legs) -> Result<Legs, Overflow> {
    let credit = legs.of_player();
    let (account, kept_back) = match fact {
        // Begins anew, and owes nothing any more.
        Fact::PlayerReset {} => return Ok(legs),
        _ if before.profile.erased => (Account::BurnErasure, credit),
        _ => (Account::BurnDebt, credit.min(before.debt)),
    };
    if kept_back <= Gold::ZERO { Ok(legs) } else { legs.and_from_player(account, kept_back) }
}

/// Entries are timed in whole milliseconds, the resolution of every consumer.
fn to_millis(at: Timestamp) -> Timestamp {
    let excess = SignedDuration::from_nanos(i64::from(at.subsec_nanosecond() % 1_000_000));
    at.checked_sub(excess).unwrap_or(at)
}
