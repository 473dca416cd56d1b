//! What a socket is told of an entry.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Closed, Entry, Fact, Gold, PlayerId, level,
    purchase::{Money, Price, Status},
    stats::Stats,
};

/// One message to the player's sockets. `(seq, type)` is unique per player, so a
/// client drops what it has seen; `seq` is the number of the entry behind it. (What goes out
/// in place of a frame that is too long counts by the type it names.) Of what changed
/// nothing there is no entry: its `seq` is 0, and it is told once, to who is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    #[serde(flatten)]
    pub data: FrameData,
    pub user_id: PlayerId,
    pub timestamp: Timestamp,
    pub seq: u64,
    /// Of the request behind it. Statistics do not always know theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// The frame's `type` and `data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum FrameData {
    ProfileUpdate {
        changes: ProfileChanges,
    },
    RewardGranted {
        reward_type: &'static str,
        amount: Gold,
        balance_after: Gold,
    },
    StreakUpdate {
        action_type: &'static str,
        streak_count: u32,
    },
    GameUpdate {
        game: &'static str,
        round_id: String,
        outcome: Vec<String>,
        bet_gold: Gold,
        win_gold: Gold,
        multiplier: u32,
        gold_balance: Gold,
    },
    PurchaseUpdate {
        status: &'static str,
        product_id: String,
        /// None of a request that was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
        quantity: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        price_gold: Option<Gold>,
        #[serde(skip_serializing_if = "Option::is_none")]
        price_money: Option<Money>,
        /// After the entry.
        #[serde(skip_serializing_if = "Option::is_none")]
        gold_balance: Option<Gold>,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    UserAction {
        action_type: &'static str,
        context: serde_json::Value,
        server_ts: Timestamp,
    },
    StatsUpdate {
        stats: StatsChange,
    },
}

/// What changed in the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileChanges {
    pub gold_balance: Gold,
    pub level: u32,
    /// Experience gathered at the present level.
    pub exp: u64,
    /// Gold still owed.
    #[serde(skip_serializing_if = "Gold::is_zero")]
    pub debt_gold: Gold,
}

/// Statistics as pushed: all games together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatsChange {
    pub total_games_played: u64,
    pub wins: u64,
    pub losses: u64,
    pub total_bets: Gold,
    pub highest_multiplier: u32,
    pub total_profit: i64,
    pub lifetime_active_days: u32,
}

/// A burst of one player's frames, less those that a later one of them says again: of
/// profiles, which are told as a whole each time, the newest stays.
#[must_use]
pub fn coalesced(mut burst: Vec<Frame>) -> Vec<Frame> {
    let is_profile = |frame: &Frame| matches!(frame.data, FrameData::ProfileUpdate { .. });
    let newest = burst.iter().rfind(|frame| is_profile(frame)).map(|frame| frame.seq);
    burst.retain(|frame| !is_profile(frame) || Some(frame.seq) == newest);
    burst
}

/// The frames of an entry, in the order they are sent. Each type appears once at
/// most.
#[must_use]
pub fn frames(entry: &Entry) -> Vec<Frame> {
    let balance = entry.after.gold;
    let profile = || {
        let level = level::of(entry.after.total_xp);
        FrameData::ProfileUpdate {
            changes: ProfileChanges {
                gold_balance: balance,
                level: level.level,
                exp: level.experience,
                debt_gold: entry.after.debt,
            },
        }
    };
    let action =
        |action_type, context| FrameData::UserAction { action_type, context, server_ts: entry.at };
    let data = match &entry.fact {
        Fact::PlayerSignedUp { .. } => vec![profile(), action("signup", serde_json::json!({}))],
        Fact::PlayerLoggedIn { .. } => vec![action("login", serde_json::json!({}))],
        Fact::SessionRefreshed { .. } => Vec::new(),
        Fact::SessionClosed { reason, .. } => vec![action(
            match reason {
                Closed::Logout => "logout",
                Closed::TokenReused => "session_revoked",
            },
            serde_json::json!({}),
        )],
        Fact::SessionsClosed { .. } => vec![action("logout_all", serde_json::json!({}))],
        Fact::PasswordChanged { .. } => vec![action("password_changed", serde_json::json!({}))],
        Fact::PlayerRenamed {} => vec![action("renamed", serde_json::json!({}))],
        Fact::PlayerErased {} => vec![action("erased", serde_json::json!({}))],
        Fact::PlayerReset {} => vec![profile(), action("reset", serde_json::json!({}))],
        Fact::InviteCodeIssued { .. } => {
            vec![action("invite_code_issued", serde_json::json!({}))]
        }
        Fact::StreakClaimed { count, gold, .. } => vec![
            profile(),
            FrameData::RewardGranted { reward_type: "gold", amount: *gold, balance_after: balance },
            FrameData::StreakUpdate { action_type: "claim", streak_count: *count },
        ],
        // The count is unchanged by a protection, but the frame needs it no more
        // than the client does: it says what happened.
        Fact::StreakProtectionConsumed { day, protections_used } => vec![action(
            "streak_protection_consumed",
            serde_json::json!({ "day": day, "protections_used": protections_used }),
        )],
        Fact::StreakBroken { .. } => {
            vec![FrameData::StreakUpdate { action_type: "broken", streak_count: 0 }]
        }
        Fact::RoundSettled { game, round, bet, win, multiplier, outcome, .. } => vec![
            profile(),
            FrameData::GameUpdate {
                game: game.as_str(),
                round_id: round.to_string(),
                outcome: outcome.clone(),
                bet_gold: *bet,
                win_gold: *win,
                multiplier: *multiplier,
                gold_balance: balance,
            },
        ],
        Fact::ItemPurchased { receipt, product, quantity, price, .. } => vec![
            profile(),
            FrameData::PurchaseUpdate {
                status: "success",
                product_id: product.clone(),
                receipt: Some(receipt.to_string()),
                quantity: *quantity,
                price_gold: Some(*price),
                price_money: None,
                gold_balance: Some(balance),
                reason: None,
            },
        ],
        Fact::FairnessRotated { epoch, .. } => {
            vec![action("fairness_rotated", serde_json::json!({ "epoch": epoch }))]
        }
        Fact::PurchaseAdvanced { receipt, product, quantity, price, to, reason, .. } => {
            let (price_gold, price_money) = match price {
                Price::Gold(gold) => (Some(*gold), None),
                Price::Money(money) => (None, Some(money.clone())),
            };
            let update = FrameData::PurchaseUpdate {
                status: purchase_status(*to),
                product_id: product.clone(),
                receipt: Some(receipt.to_string()),
                quantity: *quantity,
                price_gold,
                price_money,
                gold_balance: Some(balance),
                reason: reason.clone(),
            };
            match to {
                Status::Succeeded | Status::Refunded | Status::ChargedBack => {
                    vec![profile(), update]
                }
                _ => vec![update],
            }
        }
        Fact::LimitedPackageOffered { code, .. } => {
            vec![action("limited_package_offered", serde_json::json!({ "code": code }))]
        }
        Fact::PromoCodeIssued { package, .. } => {
            vec![action("promo_code_issued", serde_json::json!({ "package": package }))]
        }
        // Whoever tries cards learns from the answer, and no more than that.
        Fact::FraudDecided { .. } => Vec::new(),
        Fact::FraudRulesActivated { version, .. } => {
            vec![action("fraud_rules_activated", serde_json::json!({ "version": version }))]
        }
        Fact::EmailChanged { change } => {
            vec![action("email_changed", serde_json::json!({ "change": change }))]
        }
        Fact::WebhookEndpointChanged { .. } => {
            vec![action("webhook_endpoint_changed", serde_json::json!({}))]
        }
        Fact::WebhookDeliveryReplayed { .. } => {
            vec![action("webhook_delivery_replayed", serde_json::json!({}))]
        }
        Fact::DeadLetterReplayed { .. } => {
            vec![action("dead_letter_replayed", serde_json::json!({}))]
        }
    };
    data.into_iter()
        .map(|data| Frame {
            data,
            user_id: entry.player,
            timestamp: entry.at,
            seq: entry.seq,
            trace_id: Some(entry.trace_id.clone()),
        })
        .collect()
}

/// How a purchase's status is pushed.
const fn purchase_status(status: Status) -> &'static str {
    match status {
        Status::Created | Status::Pending => "pending",
        Status::Succeeded => "success",
        Status::Failed | Status::Expired => "failed",
        Status::GrantFailed => "grant_failed",
        Status::Refunded => "refunded",
        Status::ChargedBack => "charged_back",
    }
}

/// Why a request to buy was refused, as its player's sockets are told.
///
/// What was not understood, or may yet be carried out, is no refusal; and whoever tries
/// cards learns from the answer, and no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The one that is a status of its own.
    ShortOfGold,
    /// Any other, in the word that the answer has for it.
    Other(&'static str),
}

/// The frame of a request to buy that was refused.
#[must_use]
pub fn refused_purchase(
    player: PlayerId,
    product: &str,
    quantity: u32,
    refusal: Refusal,
    at: Timestamp,
    trace_id: &str,
) -> Frame {
    let (status, reason) = match refusal {
        Refusal::ShortOfGold => ("insufficient_funds", "insufficient_funds"),
        Refusal::Other(reason) => ("item_purchase_failed", reason),
    };
    let data = FrameData::PurchaseUpdate {
        status,
        product_id: product.to_owned(),
        receipt: None,
        quantity,
        price_gold: None,
        price_money: None,
        gold_balance: None,
        reason: Some(reason.to_owned()),
    };
    Frame { data, user_id: player, timestamp: at, seq: 0, trace_id: Some(trace_id.to_owned()) }
}

/// The frame of a request to buy that came again, `at` and in a trace of its own, after it
/// had led to `entry`; `None` if that tells of no purchase.
#[must_use]
pub fn repeated_purchase(entry: &Entry, at: Timestamp, trace_id: &str) -> Option<Frame> {
    frames(entry).into_iter().find_map(|mut frame| {
        let FrameData::PurchaseUpdate { status, gold_balance, .. } = &mut frame.data else {
            return None;
        };
        *status = "idempotent_reuse";
        // That of then is of no use now.
        *gold_balance = None;
        Some(Frame { seq: 0, timestamp: at, trace_id: Some(trace_id.to_owned()), ..frame })
    })
}

/// The frame of statistics that have caught up with entry `stats.applied_seq`: `newest`,
/// where it is at hand.
#[must_use]
pub fn stats_frame(
    player: PlayerId,
    stats: &Stats,
    newest: Option<&Entry>,
    at: Timestamp,
) -> Frame {
    let total = stats.total();
    Frame {
        data: FrameData::StatsUpdate {
            stats: StatsChange {
                total_games_played: total.plays,
                wins: total.wins,
                losses: total.losses,
                total_bets: total.bet,
                highest_multiplier: total.highest_multiplier,
                total_profit: total.profit(),
                lifetime_active_days: stats.lifetime_active_days,
            },
        },
        user_id: player,
        timestamp: at,
        seq: stats.applied_seq,
        trace_id: newest.map(|entry| entry.trace_id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64, data: FrameData) -> Frame {
        let user_id = PlayerId::from_bytes([1; 16]);
        Frame { data, user_id, timestamp: Timestamp::UNIX_EPOCH, seq, trace_id: None }
    }

    fn profile(seq: u64) -> Frame {
        let gold_balance = Gold::new(100);
        let changes = ProfileChanges { gold_balance, level: 1, exp: 0, debt_gold: Gold::ZERO };
        frame(seq, FrameData::ProfileUpdate { changes })
    }

    fn streak(seq: u64) -> Frame {
        frame(seq, FrameData::StreakUpdate { action_type: "claim", streak_count: 1 })
    }

    #[test]
    fn of_a_burst_the_newest_profile_is_told_and_everything_that_happened() {
        let burst = vec![profile(4), streak(4), streak(5), profile(6), streak(6), streak(7)];
        let told = [streak(4), streak(5), profile(6), streak(6), streak(7)];
        assert_eq!(coalesced(burst), told);
        assert_eq!(coalesced(vec![profile(4), streak(4)]), [profile(4), streak(4)]);
        assert_eq!(coalesced(vec![streak(4)]), [streak(4)]);
        assert_eq!(coalesced(vec![]), []);
    }
}
