//! The bodies of every `POST` and `PUT`.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, sample};
use runtime::Clock;
use serde_json::{Value, json};
use tests::PASSWORD;

use crate::{
    nasty::{Change, change, changes, header_text, json, text, value},
    support::{Product, Request, fuzz},
};

/// A sound body for every `POST` and `PUT` of the template.
fn sound(path: &str) -> Option<Value> {
    Some(match path {
        "/api/auth/signup" | "/api/auth/register" => json!({
            "site_id": "fuzz01", "nickname": "fuzz01", "password": PASSWORD,
            "invite_code": "5858", "birth_date": "1998-04-01",
        }),
        "/api/auth/refresh" => json!({ "refresh_token": "a.b.1.c" }),
        "/api/auth/password" => {
            json!({ "current_password": PASSWORD, "new_password": PASSWORD })
        }
        "/api/auth/email" => json!({ "email": "fuzz@mail.example", "password": PASSWORD }),
        "/api/auth/email/confirm" => json!({ "token": "1.x" }),
        "/api/auth/profile" => json!({ "nickname": "fuzz02" }),
        "/api/admin/invite-codes" => json!({
            "code": "fuzz", "uses": 1, "expires_at": in_a_month(), "reason": "fuzz",
        }),
        "/api/admin/fraud/rules" => json!({
            "document": fraud_rules(), "expected_version": 0, "reason": "fuzz", "dry_run": true,
        }),
        "/api/admin/fraud/rules/test" => json!({
            "document": fraud_rules(), "features": { "cards_24h": 3 }, "recent": 5,
        }),
        "/api/admin/webhooks/endpoints" => json!({
            "url": "http://127.0.0.1:9/hook", "event_types": ["*"], "description": "fuzz",
            "reason": "fuzz",
        }),
        "/api/admin/webhooks/endpoints/{id}" => json!({
            "url": "http://127.0.0.1:9/hook", "event_types": ["shop.*"], "active": false,
            "reason": "fuzz",
        }),
        "/api/admin/webhooks/endpoints/{id}/rotate-secret"
        | "/api/admin/webhooks/replay/{id}"
        | "/api/admin/dead-letters/{id}/replay" => json!({ "reason": "fuzz" }),
        "/api/auth/login" => json!({ "site_id": "fuzz01", "password": PASSWORD }),
        "/api/games/slot/spin" => json!({ "bet": 1 }),
        "/api/telemetry/events" => json!({
            "events": [{ "ts": 1_795_222_923_456_i64, "name": "fuzz", "meta": { "a": [1] } }],
        }),
        "/api/shop/buy" | "/api/shop/purchase" => {
            json!({ "product_id": "streak_shield", "quantity": 1, "payment_token": "t" })
        }
        "/api/shop/limited/buy" => json!({
            "code": "nobody-offers-it", "quantity": 1, "promo_code": "p",
            "payment_token": "t",
        }),
        "/api/admin/limited-packages" => json!({
            "code": "fuzz", "name": { "ko": "k", "en": "e" },
            "description": { "ko": "k", "en": "e" },
            "price": { "money": { "amount_minor": 1, "currency": "KRW" } },
            "grants": { "gold": 1 }, "stock": 1, "shards": 1, "per_user_cap": 1,
            "starts_at": "2026-01-01T00:00:00Z", "ends_at": in_a_month(), "reason": "fuzz",
        }),
        "/api/admin/limited-packages/{code}/promo-codes" => json!({
            "code": "fuzz", "price": { "gold": 1 }, "uses": 1, "ends_at": in_a_month(),
            "reason": "fuzz",
        }),
        "/api/shop/webhook/payment" => json!({
            "event_id": "e", "created_at": "2026-01-01T00:00:00Z",
            "payment": { "id": "p", "receipt": "00".repeat(16), "player": "00".repeat(16),
                         "product": "gold_pack_1000", "amount_minor": 1, "currency": "KRW",
                         "status": "succeeded" },
        }),
        "/api/games/fairness/rotate" => json!({ "client_seed": "mine" }),
        "/api/games/fairness/verify" => json!({
            "game": "slot", "paytable_version": "slot-1", "server_seed": "00".repeat(32),
            "client_seed": "mine", "nonce": 1, "bet": 1,
            "expected": { "server_seed_hash": "00".repeat(32), "reels": ["bell"],
                          "multiplier": 0, "win_gold": 0 },
        }),
        "/api/auth/logout"
        | "/api/auth/logout-all"
        | "/api/dev/reset/{site_id}"
        | "/api/realtime/ticket"
        | "/api/shop/transactions/{receipt}/settle"
        | "/api/streak/claim" => json!({}),
        _ => return None,
    })
}

fn in_a_month() -> Timestamp {
    let month = SignedDuration::from_hours(30 * 24);
    Clock::system().now().checked_add(month).expect("the calendar goes on")
}

fn fraud_rules() -> Value {
    let is = |is: &str| json!({ "feature": "cards_24h", "is": is, "value": 3 });
    json!({
        "format": 1, "thresholds": { "review": 1, "hard_block": 5 },
        "rules": [{
            "id": "fuzz", "explanation": "why", "score": 5,
            "when": { "all": [is(">="), { "any": [is("<"), is("==")] }] },
        }],
    })
}

/// What becomes of a sound body.
#[derive(Clone, Debug)]
enum Twist {
    Nothing,
    /// Something else altogether.
    Bytes(Vec<u8>),
    Document(String),
    /// A member's value, or what stands there instead.
    Replace {
        member: sample::Index,
        value: String,
    },
    Remove {
        member: sample::Index,
    },
    /// The same name again, with the same value or another.
    Repeat {
        member: sample::Index,
        value: Option<String>,
    },
    Add {
        name: String,
        value: String,
    },
    Rename {
        member: sample::Index,
        name: String,
    },
    /// All values by position.
    Positional,
    InArray,
    Before(&'static [u8]),
    After(&'static [u8]),
    Utf16,
    Padded(usize),
    Changed(Vec<Change>),
}

fn twist() -> impl Strategy<Value = Twist> {
    let member = any::<sample::Index>;
    let around: Vec<&[u8]> = vec![
        b"\xef\xbb\xbf",
        b"\0",
        b" \n\t",
        b"\x0b",
        b"[",
        b"{",
        b"}",
        b"x",
        b"\xff\xfe",
        b"\x1e",
    ];
    prop_oneof![
        1 => Just(Twist::Nothing),
        3 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Twist::Bytes),
        3 => value().prop_map(Twist::Document),
        1 => json().prop_map(|value| Twist::Document(value.to_string())),
        12 => (member(), value()).prop_map(|(member, value)| Twist::Replace { member, value }),
        2 => member().prop_map(|member| Twist::Remove { member }),
        3 => (member(), prop::option::of(value()))
            .prop_map(|(member, value)| Twist::Repeat { member, value }),
        2 => (text(), value()).prop_map(|(name, value)| Twist::Add { name, value }),
        1 => (member(), text()).prop_map(|(member, name)| Twist::Rename { member, name }),
        1 => Just(Twist::Positional),
        1 => Just(Twist::InArray),
        2 => sample::select(around.clone()).prop_map(Twist::Before),
        2 => sample::select(around).prop_map(Twist::After),
        1 => Just(Twist::Utf16),
        1 => prop_oneof![0..300_usize, 262_100..262_200_usize].prop_map(Twist::Padded),
        6 => changes(1..4).prop_map(Twist::Changed),
    ]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

impl Twist {
    fn apply(&self, sound: &Value) -> Vec<u8> {
        let text = sound.to_string();
        let mut members: Vec<(String, String)> = sound
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (json!(name).to_string(), value.to_string()))
            .collect();
        let place = |at: &sample::Index| at.index(members.len().max(1));
        match self {
            Self::Nothing => {}
            Self::Bytes(bytes) => return bytes.clone(),
            Self::Document(text) => return text.clone().into_bytes(),
            Self::Positional => {
                let values: Vec<_> = members.iter().map(|(_, value)| value.as_str()).collect();
                return format!("[{}]", values.join(",")).into_bytes();
            }
            Self::InArray => return format!("[{text}]").into_bytes(),
            Self::Before(bytes) => return [bytes, text.as_bytes()].concat(),
            Self::After(bytes) => return [text.as_bytes(), bytes].concat(),
            Self::Utf16 => return text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Padded(spaces) => return (text + &" ".repeat(*spaces)).into_bytes(),
            Self::Changed(changes) => {
                let mut bytes = text.into_bytes();
                changes.iter().for_each(|change| change.apply(&mut bytes));
                return bytes;
            }
            Self::Add { name, value } => members.push((json!(name).to_string(), value.clone())),
            _ if members.is_empty() => {}
            Self::Replace { member, value } => {
                let place = place(member);
                members[place].1.clone_from(value);
            }
            Self::Remove { member } => drop(members.remove(place(member))),
            Self::Repeat { member, value } => {
                let mut again = members[place(member)].clone();
                again.1 = value.clone().unwrap_or(again.1);
                members.push(again);
            }
            Self::Rename { member, name } => {
                let place = place(member);
                members[place].0 = json!(name).to_string();
            }
        }
        object(&members).into_bytes()
    }
}

/// Method and path of every route that takes a body.
fn writes(product: &Product) -> Vec<(String, String)> {
    let routes = product.stack.spec().http_routes.iter();
    let writes = routes.filter(|route| matches!(route.method.as_str(), "POST" | "PUT"));
    writes.map(|route| (route.method.clone(), route.path.clone())).collect()
}

/// A key nobody has used.
fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("fuzz-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn write(product: &Product, method: &str, path: &str, body: Vec<u8>) -> Request {
    // Whose session ends is nobody's who is still needed.
    let bearer =
        if path.starts_with("/api/auth/logout") { product.leaver() } else { product.bearer() };
    Request::new(method, path)
        .header("authorization", bearer)
        .header("content-type", "application/json")
        .header("idempotency-key", fresh_key())
        .body(body)
}

fn post(product: &Product, path: &str, body: Vec<u8>) -> Request {
    write(product, "POST", path, body)
}

#[test]
fn every_write_of_the_template_is_fuzzed_and_its_sound_body_is_one() {
    let product = Product::start();
    for (method, path) in writes(&product) {
        let body = sound(&path).unwrap_or_else(|| panic!("give {method} {path} a sound body here"));
        let reply = product.ask(&write(&product, &method, &path, body.to_string().into_bytes()));
        let reply = reply.expect("an answer as it must be");
        let refused = ["malformed_json", "validation_failed", "unsupported_content_type"];
        assert!(!refused.contains(&reply.code()), "{path}: {}", reply.text);
    }
}

#[test]
fn no_body_breaks_anything() {
    let product = Product::start();
    let inputs = (sample::select(writes(&product)), twist());
    fuzz(1000, &inputs, |((method, path), twist)| {
        let body = twist.apply(&sound(&path).unwrap_or_default());
        product.ask(&write(&product, &method, &path, body)).map(drop)
    });
}

#[test]
fn a_spin_bets_what_its_body_says_and_nothing_else() {
    let product = Product::start();
    fuzz(600, &twist(), |twist| {
        let body = twist.apply(&json!({ "bet": 1 }));
        let reply = product.ask(&post(&product, "/api/games/slot/spin", body.clone()))?;
        if reply.status == 200 {
            let read: Value = serde_json::from_slice(&body).unwrap_or_default();
            let bet = read["bet"].as_i64();
            prop_assert!(read.as_object().is_some_and(|members| members.len() == 1));
            prop_assert_eq!(reply.body["bet_gold"].as_i64(), bet);
            prop_assert!(bet.is_some_and(|bet| bet >= 1));
        }
        Ok(())
    });
}

#[test]
fn only_json_is_read_and_whatever_else_a_type_says_is_refused() {
    let product = Product::start();
    fuzz(400, &(header_text(), prop::option::of(change())), |(noise, change)| {
        let mut kind = b"application/json".to_vec();
        if let Some(change) = change {
            change.apply(&mut kind);
        } else {
            kind = noise.into_bytes();
        }
        kind.retain(|byte| byte.is_ascii() && !byte.is_ascii_control());
        let kind = String::from_utf8(kind).unwrap_or_default();
        let request =
            post(&product, "/api/games/fairness/rotate", br#"{"client_seed":"a"}"#.to_vec())
                .header("content-type", kind.clone());
        let reply = product.ask(&request)?;
        let media = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
        let json = media == "application/json"
            || (media.starts_with("application/") && media.ends_with("+json"));
        let expected = if json { (200, "") } else { (400, "unsupported_content_type") };
        prop_assert_eq!((reply.status, reply.code()), expected, "{}", kind);
        Ok(())
    });
}
