//! The entry as the event stream carries it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Entry, Fact, Game, OnceKey, PlayerId, event_type,
    purchase::{Price, Status},
    webhook,
};

/// One event. `(user_id, seq)` identifies it for ever; one entry is one envelope
/// is one row of ClickHouse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub event_type: String,
    pub user_id: PlayerId,
    pub ts: Timestamp,
    pub trace_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Version of this shape.
    pub version: u8,
    pub seq: u64,
    pub payload: Value,
}

/// The envelope of an entry.
#[must_use]
pub fn envelope(entry: &Entry) -> Envelope {
    let (event_type, mut payload) = match &entry.fact {
        Fact::PlayerSignedUp { .. } => (event_type::SIGNUP, json!({})),
        Fact::PlayerLoggedIn { session, new_device } => {
            (event_type::LOGIN, json!({ "session_id": session, "new_device": new_device }))
        }
        Fact::SessionRefreshed { session, .. } => {
            ("user.session.refreshed", json!({ "session_id": session }))
        }
        Fact::SessionClosed { session, reason } => {
            ("user.session.closed", json!({ "session_id": session, "reason": reason }))
        }
        Fact::SessionsClosed { sessions } => {
            ("user.session.closed_all", json!({ "sessions": sessions }))
        }
        Fact::PasswordChanged { .. } => ("user.password_changed", json!({})),
        Fact::PlayerRenamed {} => ("user.renamed", json!({})),
        // Whoever keeps copies takes this as the request to forget them.
        Fact::PlayerErased {} => (event_type::ERASED, json!({})),
        Fact::PlayerReset {} => ("user.reset", json!({})),
        // Not the code itself: whoever reads events could use it.
        Fact::InviteCodeIssued { uses, expires_at, reason, .. } => (
            "admin.action",
            json!({ "action": "invite_code.issue", "uses": uses,
                    "expires_at": expires_at, "reason": reason }),
        ),
        Fact::StreakClaimed { day, count, gold, xp, protections_used, formula } => (
            event_type::STREAK_CLAIM,
            json!({ "day": day, "streak_count": count, "gold": gold, "xp": xp,
                    "protections_used": protections_used, "formula": formula }),
        ),
        Fact::StreakProtectionConsumed { day, protections_used } => (
            "streak.protection_consumed",
            json!({ "day": day, "protections_used": protections_used }),
        ),
        Fact::StreakBroken { day, count_before, protections_used } => (
            "streak.broken",
            json!({ "day": day, "count_before": count_before, "protections_used": protections_used }),
        ),
        Fact::RoundSettled { game, round, bet, win, multiplier, outcome, epoch, paytable } => (
            match game {
                Game::Slot => event_type::ROUND_SETTLED,
            },
            json!({ "game": game, "round_id": round, "bet_gold": bet, "win_gold": win,
                    "multiplier": multiplier, "outcome": outcome, "epoch": epoch,
                    "paytable_version": paytable }),
        ),
        Fact::ItemPurchased { receipt, product, quantity, price, .. } => (
            event_type::PURCHASE_SUCCEEDED,
            json!({ "receipt": receipt, "product_id": product, "quantity": quantity,
                    "price_gold": price }),
        ),
        Fact::FairnessRotated { epoch, .. } => ("game.fairness.rotated", json!({ "epoch": epoch })),
        Fact::PurchaseAdvanced {
            receipt,
            product,
            quantity,
            price,
            from,
            to,
            granted,
            clawback,
            reason,
        } => (
            purchase_event(*to),
            priced(
                price,
                json!({ "receipt": receipt, "product_id": product, "quantity": quantity,
                        "from": from, "status": to, "gold": granted.gold,
                        "items": granted.items, "clawback": clawback, "reason": reason }),
            ),
        ),
        Fact::LimitedPackageOffered { code, stock, reason } => (
            "admin.action",
            json!({ "action": "limited_package.offer", "code": code, "stock": stock,
                    "reason": reason }),
        ),
        Fact::PromoCodeIssued { package, uses, reason } => (
            "admin.action",
            json!({ "action": "promo_code.issue", "package": package, "uses": uses,
                    "reason": reason }),
        ),
        Fact::FraudDecided { attempt, score, action, matched, rules_version } => (
            "fraud.decision",
            json!({ "attempt_id": attempt, "score": score, "action": action,
                    "matched_rules": matched, "rules_version": rules_version }),
        ),
        Fact::FraudRulesActivated { version, previous_version, reason } => (
            "admin.action",
            json!({ "action": "fraud_rules.activate", "version": version,
                    "previous_version": previous_version, "reason": reason }),
        ),
        Fact::EmailChanged { change } => ("user.email_changed", json!({ "change": change })),
        Fact::WebhookEndpointChanged { endpoint, change, reason } => (
            "admin.action",
            json!({ "action": format!("webhook_endpoint.{}", change.as_str()),
                    "endpoint_id": endpoint, "reason": reason }),
        ),
        Fact::WebhookDeliveryReplayed { delivery, reason } => (
            "admin.action",
            json!({ "action": webhook::REPLAY_ACTION, "delivery_id": delivery,
                    "reason": reason }),
        ),
        Fact::DeadLetterReplayed { letter, player, seq, reason } => (
            "admin.action",
            json!({ "action": "dead_letter.replay", "dead_letter_id": letter,
                    "entry": { "user_id": player, "seq": seq }, "reason": reason }),
        ),
    };
    payload["legs"] = json!(entry.legs);
    payload["balance_after"] = json!(entry.after.gold);
    Envelope {
        event_type: event_type.to_owned(),
        user_id: entry.player,
        ts: entry.at,
        trace_id: entry.trace_id.clone(),
        idempotency_key: entry.once.as_ref().map(|once| match &once.key {
            OnceKey::Header(key) | OnceKey::Anonymous(key) | OnceKey::Natural(key) => key.clone(),
        }),
        version: 1,
        seq: entry.seq,
        payload,
    }
}

/// The payload of a purchase, with what it costs.
fn priced(price: &Price, mut payload: Value) -> Value {
    match price {
        Price::Gold(gold) => payload["price_gold"] = json!(gold),
        Price::Money(money) => {
            payload["amount_minor"] = json!(money.amount_minor);
            payload["currency"] = json!(money.currency);
        }
    }
    payload
}

/// The event of a purchase that reached `to`.
const fn purchase_event(to: Status) -> &'static str {
    match to {
        Status::Created | Status::Pending => "shop.purchase.pending",
        Status::Succeeded => event_type::PURCHASE_SUCCEEDED,
        Status::Failed | Status::Expired | Status::GrantFailed => "shop.purchase.failed",
        Status::Refunded | Status::ChargedBack => event_type::PURCHASE_REFUNDED,
    }
}
