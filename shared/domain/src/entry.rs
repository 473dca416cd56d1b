//! The journal entry: ledger line, receipt, outbox record and event in one.

use std::{collections::BTreeMap, fmt};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    AttemptId, DeadLetterId, Gold, Overflow, PlayerId, ReceiptId, RoundId, SessionId,
    WebhookEndpointId, fraud,
    purchase::{Clawback, Granted, Price, Status},
    webhook::{DeliveryId, EndpointChange},
};

/// One change of one player. Append-only; holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub player: PlayerId,
    /// 1, 2, 3 … per player, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    pub fact: Fact,
    pub legs: Legs,
    pub after: After,
    pub trace_id: String,
    /// What makes the command happen once. Every committed entry has one.
    pub once: Option<Once>,
    /// The answer that was given, to be given again. Scheduled work has none.
    pub answer: Option<Answer>,
}

/// What happened, in the past tense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    PlayerSignedUp {
        client_seed: String,
        /// The first session, opened at once.
        session: SessionId,
    },
    PlayerLoggedIn {
        session: SessionId,
        /// From a device that is none of those the player was seen with.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        new_device: bool,
    },
    /// The next refresh token of a session was given out for the last one.
    SessionRefreshed {
        session: SessionId,
        /// Number of the refresh token that is good from now on.
        generation: u32,
    },
    SessionClosed {
        session: SessionId,
        reason: Closed,
    },
    /// Every session ended at once.
    SessionsClosed {
        /// How many there were.
        sessions: u32,
    },
    /// Ended every session but the one it was done in.
    PasswordChanged {
        session: SessionId,
    },
    /// The names themselves are personal and only in the state.
    PlayerRenamed {},
    /// The player's wish to be forgotten. The last entry there is, besides what
    /// others still owe the books.
    PlayerErased {},
    /// A seed account began anew, in development.
    PlayerReset {},
    /// On the journal of the operator who issued it.
    InviteCodeIssued {
        code: String,
        uses: u32,
        expires_at: Timestamp,
        /// Why, in the operator's words.
        reason: String,
    },
    StreakClaimed {
        day: Date,
        /// The streak after the claim.
        count: u32,
        gold: Gold,
        xp: u32,
        protections_used: u32,
        formula: String,
    },
    /// Missed days up to `day` were covered by protections.
    StreakProtectionConsumed {
        day: Date,
        protections_used: u32,
    },
    /// A day was missed and nothing covered it.
    StreakBroken {
        /// The day on which it was found.
        day: Date,
        count_before: u32,
        /// Protections that were used up before it broke.
        protections_used: u32,
    },
    RoundSettled {
        game: Game,
        round: RoundId,
        bet: Gold,
        win: Gold,
        multiplier: u32,
        /// The outcome as the game writes it; for slot the three symbols.
        outcome: Vec<String>,
        epoch: u32,
        paytable: String,
    },
    ItemPurchased {
        receipt: ReceiptId,
        product: String,
        quantity: u32,
        price: Gold,
        /// Streak protections among what was granted.
        #[serde(default, skip_serializing_if = "is_zero")]
        protections: u32,
    },
    FairnessRotated {
        /// The epoch that begins.
        epoch: u32,
        client_seed: String,
    },
    /// A purchase with a life of its own reached `to`. See [`crate::purchase`].
    PurchaseAdvanced {
        receipt: ReceiptId,
        product: String,
        quantity: u32,
        price: Price,
        /// `None` for a purchase that begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Status>,
        to: Status,
        /// What the player got; nothing but where `to` is [`Status::Succeeded`].
        #[serde(default, skip_serializing_if = "Granted::is_nothing")]
        granted: Granted,
        /// What was taken back of an earlier grant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clawback: Option<Clawback>,
        /// Why it failed, a word of the provider's or of ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// On the journal of the operator who offers it.
    LimitedPackageOffered {
        code: String,
        stock: u32,
        /// Why, in the operator's words.
        reason: String,
    },
    /// On the journal of the operator who issued it.
    PromoCodeIssued {
        package: String,
        uses: u32,
        /// Why, in the operator's words.
        reason: String,
    },
    /// A purchase was flagged or refused before anything was paid.
    FraudDecided {
        attempt: AttemptId,
        score: u32,
        action: fraud::Action,
        /// Ids of the rules that matched; how they came to, the fraud audit says.
        matched: Vec<String>,
        rules_version: u32,
    },
    /// Other fraud rules are in force; on the journal of the operator who put them.
    /// Every version is kept.
    FraudRulesActivated {
        version: u32,
        previous_version: u32,
        /// Why, in the operator's words.
        reason: String,
    },
    /// The address itself is personal and in an item of its own.
    EmailChanged {
        change: EmailChange,
    },
    /// On the journal of the operator who did it. Never a secret, and not the URL, of
    /// which a part may be one of the receiver's.
    WebhookEndpointChanged {
        endpoint: WebhookEndpointId,
        change: EndpointChange,
        /// Why, in the operator's words.
        reason: String,
    },
    /// On the journal of the operator who asked for it. Its event puts the delivery
    /// back into the queue.
    WebhookDeliveryReplayed {
        delivery: DeliveryId,
        /// Why, in the operator's words.
        reason: String,
    },
    /// On the journal of the operator who had it published.
    DeadLetterReplayed {
        letter: DeadLetterId,
        /// Whose entry it was about.
        player: PlayerId,
        /// Which of theirs.
        seq: u64,
        /// Why, in the operator's words.
        reason: String,
    },
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// The player signed out.
    Logout,
    /// A refresh token came a second time: somebody has a copy.
    TokenReused,
}

/// What became of the player's mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailChange {
    /// An address was given, and waits to be confirmed.
    Requested,
    /// The address that waited is the player's.
    Confirmed,
    /// The player has none any more, nor one that waits.
    Removed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Fact {
    /// The name of the fact as it is stored.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PlayerSignedUp { .. } => "player_signed_up",
            Self::PlayerLoggedIn { .. } => "player_logged_in",
            Self::SessionRefreshed { .. } => "session_refreshed",
            Self::SessionClosed { .. } => "session_closed",
            Self::SessionsClosed { .. } => "sessions_closed",
            Self::PasswordChanged { .. } => "password_changed",
            Self::PlayerRenamed {} => "player_renamed",
            Self::PlayerErased {} => "player_erased",
            Self::PlayerReset {} => "player_reset",
            Self::InviteCodeIssued { .. } => "invite_code_issued",
            Self::StreakClaimed { .. } => "streak_claimed",
            Self::StreakProtectionConsumed { .. } => "streak_protection_consumed",
            Self::StreakBroken { .. } => "streak_broken",
            Self::RoundSettled { .. } => "round_settled",
            Self::ItemPurchased { .. } => "item_purchased",
            Self::FairnessRotated { .. } => "fairness_rotated",
            Self::PurchaseAdvanced { .. } => "purchase_advanced",
            Self::LimitedPackageOffered { .. } => "limited_package_offered",
            Self::PromoCodeIssued { .. } => "promo_code_issued",
            Self::FraudDecided { .. } => "fraud_decided",
            Self::FraudRulesActivated { .. } => "fraud_rules_activated",
            Self::EmailChanged { .. } => "email_changed",
            Self::WebhookEndpointChanged { .. } => "webhook_endpoint_changed",
            Self::WebhookDeliveryReplayed { .. } => "webhook_delivery_replayed",
            Self::DeadLetterReplayed { .. } => "dead_letter_replayed",
        }
    }

    /// Whether a session that was open may not be any more. A login may push the oldest
    /// one out.
    #[must_use]
    pub const fn may_end_sessions(&self) -> bool {
        matches!(
            self,
            Self::PlayerLoggedIn { .. }
                | Self::SessionClosed { .. }
                | Self::SessionsClosed { .. }
                | Self::PasswordChanged { .. }
                | Self::PlayerErased {}
                | Self::PlayerReset {}
        )
    }

    /// Whether the player did something, so that the day counts as active.
    /// Refreshing a token, ending sessions for safety and nightly repairs are the
    /// work of clients and of the product.
    #[must_use]
    pub const fn is_action(&self) -> bool {
        match self {
            Self::SessionRefreshed { .. }
            | Self::SessionClosed { reason: Closed::TokenReused, .. }
            | Self::StreakProtectionConsumed { .. }
            | Self::StreakBroken { .. }
            | Self::PlayerErased {}
            | Self::PlayerReset {}
            // What a provider, an operator or the clock did to a purchase.
            | Self::PurchaseAdvanced { from: Some(_), .. }
            | Self::FraudDecided { .. } => false,
            Self::PlayerSignedUp { .. }
            | Self::PlayerLoggedIn { .. }
            | Self::SessionClosed { reason: Closed::Logout, .. }
            | Self::SessionsClosed { .. }
            | Self::PasswordChanged { .. }
            | Self::PlayerRenamed {}
            | Self::InviteCodeIssued { .. }
            | Self::StreakClaimed { .. }
            | Self::RoundSettled { .. }
            | Self::ItemPurchased { .. }
            | Self::FairnessRotated { .. }
            | Self::PurchaseAdvanced { from: None, .. }
            | Self::LimitedPackageOffered { .. }
            | Self::PromoCodeIssued { .. }
            | Self::FraudRulesActivated { .. }
            | Self::EmailChanged { .. }
            | Self::WebhookEndpointChanged { .. }
            | Self::WebhookDeliveryReplayed { .. }
            | Self::DeadLetterReplayed { .. } => true,
        }
    }
}

/// A game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Game {
    Slot,
}

impl Game {
    /// The game's name in answers and accounts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slot => "slot",
        }
    }
}

/// The other side of a player's gold: where it came from or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Account {
    #[serde(rename = "player")]
    Player,
    #[serde(rename = "mint:signup")]
    MintSignup,
    #[serde(rename = "mint:streak")]
    MintStreak,
    #[serde(rename = "house:slot")]
    HouseSlot,
    #[serde(rename = "burn:shop")]
    BurnShop,
    /// What players left behind who wished to be forgotten.
    #[serde(rename = "burn:erasure")]
    BurnErasure,
    /// The difference when a seed account begins anew.
    #[serde(rename = "mint:reset")]
    MintReset,
    /// Gold that was bought with money or came with a package.
    #[serde(rename = "mint:shop")]
    MintShop,
    /// Bought gold that a refund or chargeback took back.
    #[serde(rename = "burn:refund")]
    BurnRefund,
    /// What repays gold that was owed after a refund or chargeback.
    #[serde(rename = "burn:debt")]
    BurnDebt,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Player => "player",
            Self::MintSignup => "mint:signup",
            Self::MintStreak => "mint:streak",
            Self::HouseSlot => "house:slot",
            Self::BurnShop => "burn:shop",
            Self::BurnErasure => "burn:erasure",
            Self::MintReset => "mint:reset",
            Self::MintShop => "mint:shop",
            Self::BurnRefund => "burn:refund",
            Self::BurnDebt => "burn:debt",
        })
    }
}

/// Gold moved between the player and house accounts. Sums to zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Legs(BTreeMap<Account, Gold>);

impl Legs {
    /// No gold moved.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// `gold` from `from` to the player; negative for the other way.
    ///
    /// # Errors
    /// [`Overflow`] when the amount has no opposite.
    pub fn to_player(from: Account, gold: Gold) -> Result<Self, Overflow> {
        Ok(Self(BTreeMap::from([(Account::Player, gold), (from, gold.negated()?)])))
    }

    /// What the player gained (or lost, negative).
    #[must_use]
    pub fn of_player(&self) -> Gold {
        self.of(Account::Player)
    }

    /// What an account gained (or lost, negative).
    #[must_use]
    pub fn of(&self, account: Account) -> Gold {
        self.0.get(&account).copied().unwrap_or(Gold::ZERO)
    }

    /// The same with `gold` more moved from the player to `to`.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn and_from_player(mut self, to: Account, gold: Gold) -> Result<Self, Overflow> {
        let player = self.of_player().minus(gold)?;
        let house = self.of(to).plus(gold)?;
        self.0.insert(Account::Player, player);
        self.0.insert(to, house);
        Ok(self)
    }

    /// Every leg.
    pub fn iter(&self) -> impl Iterator<Item = (Account, Gold)> {
        self.0.iter().map(|(account, gold)| (*account, *gold))
    }

    /// The sum over all accounts, in a width that cannot overflow.
    #[must_use]
    pub fn sum(&self) -> i128 {
        self.0.values().map(|gold| i128::from(gold.units())).sum()
    }
}

/// The state right after the entry, as far as views and frames show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    pub gold: Gold,
    pub total_xp: u64,
    /// Gold still owed.
    #[serde(default, skip_serializing_if = "Gold::is_zero")]
    pub debt: Gold,
}

/// What makes a command happen once: the same key means the same command, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    pub key: OnceKey,
    /// SHA-256 of operation and body, base64: tells a retry from a reuse.
    pub request_hash: String,
}

/// Where an idempotency key comes from, which is also the scope it is unique in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnceKey {
    /// The player's own `Idempotency-Key`; unique per player.
    Header(String),
    /// The `Idempotency-Key` of a caller who is nobody yet; unique among those.
    Anonymous(String),
    /// The command's natural key; unique in the product.
    Natural(String),
}

/// An answer as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, byte for byte.
    pub body: String,
}
