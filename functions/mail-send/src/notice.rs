//! What a player is written to about.

use domain::{Envelope, event_type};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// An event that a mail follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An address was given and waits to be confirmed.
    Confirmation,
    News(News),
}

/// What has happened, and the player is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    PasswordChanged,
    NewDevice,
    Receipt(Purchase),
}

/// Something bought with money.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Purchase {
    pub receipt: String,
    #[serde(alias = "product_id")]
    pub product: String,
    pub quantity: u32,
    /// In the currency's smallest unit.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// What was credited for it.
    #[serde(default)]
    pub gold: Option<i64>,
}

impl Notice {
    /// What the event calls for at `now`; `None` for most. Sent for, events pass the trigger's
    /// filter, but a function does not depend on its trigger for what it does.
    ///
    /// A warning that is later than `latest` is none. The trigger lets no record wait for
    /// longer either; but an event may be published late.
    pub fn of(event: &Envelope, now: Timestamp, latest: SignedDuration) -> Option<Self> {
        let payload = &event.payload;
        let warning = |news| (now.duration_since(event.ts) <= latest).then_some(Self::News(news));
        match event.event_type.as_str() {
            "user.password_changed" => warning(News::PasswordChanged),
            event_type::LOGIN if payload["new_device"] == true => warning(News::NewDevice),
            "user.email_changed" if payload["change"] == "requested" => Some(Self::Confirmation),
            // What is bought with gold is a move in the game, and shown there.
            event_type::PURCHASE_SUCCEEDED => {
                Purchase::deserialize(payload).ok().map(News::Receipt).map(Self::News)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(event_type: &str, payload: Value) -> Envelope {
        Envelope {
            event_type: event_type.to_owned(),
            user_id: domain::PlayerId::from_bytes([1; 16]),
            ts: "2026-11-21T01:02:03Z".parse().expect("an instant"),
            trace_id: "t".to_owned(),
            idempotency_key: None,
            version: 1,
            seq: 7,
            payload,
        }
    }

    /// Of an event that has just happened.
    fn notice(event: &Envelope) -> Option<Notice> {
        Notice::of(event, event.ts, SignedDuration::ZERO)
    }

    #[test]
    fn a_warning_is_not_late_and_a_receipt_may_be() {
        let warning = event("user.password_changed", json!({}));
        let latest = SignedDuration::from_hours(6);
        let after = |event: &Envelope, minutes| {
            Notice::of(event, event.ts + SignedDuration::from_mins(minutes), latest)
        };
        assert!(after(&warning, 360).is_some());
        assert_eq!(after(&warning, 361), None);
        let device = event("user.login", json!({ "new_device": true }));
        assert_eq!(after(&device, 361), None);
        let money = json!({ "receipt": "r-1", "product_id": "gold_1000", "quantity": 1,
                            "amount_minor": 1100, "currency": "KRW", "gold": 1000 });
        assert!(after(&event("shop.purchase.succeeded", money), 3000).is_some());
    }

    #[test]
    fn a_purchase_for_money_gets_a_receipt_and_one_for_gold_none() {
        let money = json!({ "receipt": "r-1", "product_id": "gold_1000", "quantity": 1,
                            "amount_minor": 1100, "currency": "KRW", "gold": 1000 });
        let found = notice(&event("shop.purchase.succeeded", money));
        let Some(Notice::News(News::Receipt(purchase))) = found else { panic!("{found:?}") };
        assert_eq!((purchase.product.as_str(), purchase.amount_minor), ("gold_1000", 1100));
        let gold = json!({ "receipt": "r-2", "product_id": "neon_frame", "quantity": 1,
                           "price_gold": 300 });
        assert_eq!(notice(&event("shop.purchase.succeeded", gold)), None);
    }

    #[test]
    fn a_login_is_news_from_a_new_device_only() {
        let login = |new: Value| notice(&event("user.login", json!({ "new_device": new })));
        assert_eq!(login(json!(true)), Some(Notice::News(News::NewDevice)));
        for known in [json!(false), json!(null), json!("true")] {
            assert_eq!(login(known), None);
        }
    }

    #[test]
    fn an_address_is_confirmed_when_it_is_given_and_not_when_it_is() {
        let change = |change| notice(&event("user.email_changed", json!({ "change": change })));
        assert_eq!(change("requested"), Some(Notice::Confirmation));
        assert_eq!((change("confirmed"), change("removed")), (None, None));
        assert_eq!(notice(&event("game.round.settled", json!({}))), None);
    }
}
