use axum::http::HeaderValue;
use contract::Code;
use domain::{PlayerId, ReceiptId};

use super::*;
use crate::{
    Clock, Deps, Entropy, Problem,
    payments::{Order, Standing},
};

const KEYS: &str = r#"{"active":"k1","keys":[
    {"kid":"k1","secret":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="},
    {"kid":"k2","secret":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="}]}"#;
const BODY: &str = r#"{"event_id":"evt_1","created_at":"2027-01-15T08:00:00Z","payment":{
    "id":"pay_1","receipt":"01010101-0101-0101-0101-010101010101",
    "player":"02020202-0202-0202-0202-020202020202","product":"gold_pack_s",
    "amount_minor":4900,"currency":"KRW","status":"succeeded"}}"#;
const NONCE: &str = "nonce-0123456789ab";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn notices() -> Notices {
    let env = [
        ("PAYMENT_PROVIDER", "simulated"),
        ("PAYMENT_WEBHOOK_KEYS_SECRET", "payment-webhook-keys"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let deps =
        Deps::new(env.into_iter().collect(), Clock::new(now), Entropy::new(|bytes| bytes.fill(0)));
    deps.with_secrets([("payment-webhook-keys", KEYS)]).payment_notices().unwrap()
}

/// Signed by the key that is active.
fn signed(body: &str) -> HeaderMap {
    let keys = WebhookKeys::from_json(KEYS).unwrap();
    let value = signature::sign(&keys, now(), NONCE, body.as_bytes());
    HeaderMap::from_iter([(
        signature::HEADER.parse().unwrap(),
        HeaderValue::from_str(&value).unwrap(),
    )])
}

#[tokio::test]
async fn reads_a_genuine_notice() {
    let notice = notices().read(&signed(BODY), BODY.as_bytes(), now()).await.unwrap();
    let order = Order {
        receipt: ReceiptId::from_bytes([1; 16]),
        player: PlayerId::from_bytes([2; 16]),
        product: "gold_pack_s".to_owned(),
        amount_minor: 4_900,
        currency: "KRW".to_owned(),
    };
    assert_eq!(notice.event_id, "evt_1");
    assert_eq!(notice.nonce, Some(Nonce { kid: "k1".to_owned(), nonce: NONCE.to_owned() }));
    let payment = Payment { id: "pay_1".to_owned(), order, standing: Standing::Succeeded };
    assert_eq!(notice.payment, Some(payment));
}

#[tokio::test]
async fn every_failure_has_its_own_code() {
    let (no_signature, genuine) = (HeaderMap::new(), signed(BODY));
    let mut garbled = genuine.clone();
    garbled.insert(signature::HEADER, HeaderValue::from_static("sig=1"));
    let mut binary = genuine.clone();
    binary.insert(signature::HEADER, HeaderValue::from_bytes(b"algo=\xff").unwrap());
    let mut twice = genuine.clone();
    twice.append(signature::HEADER, genuine[signature::HEADER].clone());
    let mut unknown = genuine.clone();
    let header = genuine[signature::HEADER].to_str().unwrap();
    let other = header.replace("kid=k1", "kid=k9");
    unknown.insert(signature::HEADER, other.parse().unwrap());
    let mut forged = genuine.clone();
    let other = header.replace("kid=k1", "kid=k2");
    forged.insert(signature::HEADER, other.parse().unwrap());
    let late = Timestamp::from_second(1_800_000_301).unwrap();

    let notices = notices();
    for (headers, at, code) in [
        (no_signature, now(), Code::WebhookSignatureMissing),
        (garbled, now(), Code::WebhookSignatureMalformed),
        (binary, now(), Code::WebhookSignatureMalformed),
        (twice, now(), Code::WebhookSignatureMalformed),
        (unknown, now(), Code::WebhookKeyUnknown),
        (genuine, late, Code::WebhookTimestampOutOfRange),
        (forged, now(), Code::WebhookSignatureInvalid),
    ] {
        let error = notices.read(&headers, BODY.as_bytes(), at).await.unwrap_err();
        assert_eq!(Problem::from(error).code(), code);
        assert_eq!(code.status(), 401);
    }
}

#[tokio::test]
async fn a_genuine_notice_that_says_nothing_we_know_is_unprocessable() {
    let unknown = BODY.replace("succeeded", "vanished");
    for body in ["", "[]", "{", unknown.as_str(), r#"{"event_id":"evt_1"}"#] {
        let error = notices().read(&signed(body), body.as_bytes(), now()).await.unwrap_err();
        let problem = Problem::from(error);
        assert_eq!(problem.code(), Code::WebhookBodyUnreadable, "{body}");
        assert_eq!(problem.code().status(), 422);
    }
}

#[tokio::test]
async fn the_body_is_not_read_before_its_signature() {
    let error = notices().read(&signed(BODY), b"{", now()).await.unwrap_err();
    assert!(matches!(error, NoticeError::SignatureInvalid), "{error:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_no_fault_of_the_senders() {
    let env = [("PAYMENT_PROVIDER", "simulated"), ("PAYMENT_WEBHOOK_KEYS_SECRET", "gone")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let deps =
        Deps::new(env.into_iter().collect(), Clock::new(now), Entropy::new(|bytes| bytes.fill(0)));
    let notices = deps.with_secrets([]).payment_notices().unwrap();
    let error = notices.read(&signed(BODY), BODY.as_bytes(), now()).await.unwrap_err();
    assert_eq!(Problem::from(error).code(), Code::ServiceUnavailable);
}
