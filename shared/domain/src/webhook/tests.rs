//! Webhooks: reach, filters, the life of a delivery, signatures.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{Envelope, PlayerId, Rejection, WebhookEndpointId};

const NOON: &str = "2026-12-01T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn endpoint(byte: u8) -> WebhookEndpointId {
    WebhookEndpointId::from_bytes([byte; 16])
}

fn player() -> PlayerId {
    PlayerId::from_bytes([9; 16])
}

#[test]
fn only_addresses_of_the_public_internet_are_in_reach() {
    for (address, public) in [
        ("93.184.216.34", true),
        ("1.1.1.1", true),
        ("100.63.255.255", true),
        ("100.128.0.0", true),
        ("172.15.255.255", true),
        ("172.32.0.0", true),
        ("192.0.1.1", true),
        ("223.255.255.255", true),
        ("0.0.0.0", false),
        ("0.1.2.3", false),
        ("10.0.0.1", false),
        ("100.64.0.1", false),
        ("100.127.255.255", false),
        ("127.0.0.1", false),
        ("127.255.255.254", false),
        ("169.254.169.254", false),
        ("172.16.0.1", false),
        ("172.31.255.255", false),
        ("192.0.0.8", false),
        ("192.0.2.1", false),
        ("192.88.99.1", false),
        ("192.168.1.1", false),
        ("198.18.0.1", false),
        ("198.19.255.255", false),
        ("198.51.100.7", false),
        ("203.0.113.7", false),
        ("224.0.0.1", false),
        ("239.255.255.255", false),
        ("240.0.0.1", false),
        ("255.255.255.255", false),
        ("2606:2800:220:1:248:1893:25c8:1946", true),
        ("2a00::1", true),
        ("2001:4860:4860::8888", true),
        ("2001:200::1", true),
        ("::", false),
        ("::1", false),
        // IPv4 in IPv6: mapped, compatible, NAT64 and its local prefix, 6to4, Teredo.
        ("::ffff:93.184.216.34", false),
        ("::ffff:127.0.0.1", false),
        ("::93.184.216.34", false),
        ("64:ff9b::7f00:1", false),
        ("64:ff9b::5db8:d822", false),
        ("64:ff9b:1::a00:1", false),
        ("2002:7f00:1::", false),
        ("2002:5db8:d822::1", false),
        ("2001:0:4136:e378::1", false),
        ("2001:2::1", false),
        ("2001:db8::1", false),
        ("3fff:fff::1", false),
        ("5f00::1", false),
        ("100::1", false),
        ("fc00::1", false),
        ("fd00:ec2::254", false),
        ("fe80::1", false),
        ("fec0::1", false),
        ("ff02::1", false),
    ] {
        let address = address.parse().expect("an address");
        assert_eq!(Reach::Public.admits(address), public, "{address}");
        let near = public || address.is_loopback();
        assert_eq!(Reach::Loopback.admits(address), near, "{address}, in development");
    }
}

#[test]
fn a_url_is_https_to_a_name_and_nothing_that_a_reader_could_take_otherwise() {
    let sound = |url: &str| Target::parse(url, Reach::Public);
    let target = |host: &str, port, path: &str| {
        let host = Host::Name(host.to_owned());
        Ok(Target { secure: true, host, port, path_and_query: path.to_owned() })
    };
    assert_eq!(sound("https://hooks.example.com"), target("hooks.example.com", 443, "/"));
    assert_eq!(
        sound("HTTPS://Hooks.Example.com/a?b=c"),
        target("hooks.example.com", 443, "/a?b=c")
    );
    assert_eq!(sound("https://a.b:8443?x"), target("a.b", 8443, "/?x"));
    assert_eq!(sound("https://a.xn--p1ai/@"), target("a.xn--p1ai", 443, "/@"));
    let long = format!("https://a.b/{}", "p".repeat(MOST_URL_BYTES));
    for url in [
        "",
        "https://",
        "https:///path",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "//hooks.example.com/",
        "https:hooks.example.com",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com@10.0.0.1/",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com/#fragment",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:+443/",
        "https://hooks.example.com:443:443/",
        "https://hooks example.com/",
        "https://hooks.example.com/ ",
        "https://hooks.example.com/\r\nx-injected: 1",
        "https://h\u{f6}oks.example.com/",
        "https://hooks%2eexample.com/",
        "https://.example.com/",
        "https://example..com/",
        "https://example.com./",
        "https://-a.example.com/",
        "https://a-.example.com/",
        "https://a_b.example.com/",
        "https://intranet/",
        "https://localhost/",
        "https://a.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        // Addresses, however they are written.
        "https://93.184.216.34/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.0x1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[2606:2800:220:1::1]/",
        "https://[::1",
        "https://[::1]x/",
        &long,
    ] {
        assert_eq!(sound(url), Err(InvalidUrl), "{url}");
    }
}

#[test]
fn development_reaches_its_own_machine_besides_and_no_other() {
    let near = |url: &str| Target::parse(url, Reach::Loopback).map(|target| target.authority());
    assert_eq!(near("http://127.0.0.1:8081/hook").as_deref(), Ok("127.0.0.1:8081"));
    assert_eq!(near("http://[::1]/").as_deref(), Ok("[::1]:80"));
    assert_eq!(near("http://localhost:1/").as_deref(), Ok("localhost:1"));
    assert_eq!(near("https://hooks.example.com").as_deref(), Ok("hooks.example.com:443"));
    for url in ["http://10.0.0.1/", "http://[fe80::1]/", "http://0.0.0.0/", "http://127.1/"] {
        assert_eq!(near(url), Err(InvalidUrl), "{url}");
    }
}

#[test]
fn a_filter_is_a_type_or_what_lies_below_a_name() {
    let filter = |text: &str| EventFilter::try_from(text.to_owned());
    for (text, event, matches) in [
        ("*", "streak.claim", true),
        ("shop.*", "shop.purchase.succeeded", true),
        ("shop.purchase.*", "shop.purchase.succeeded", true),
        ("shop.*", "shop", false),
        ("shop.*", "shopping.cart", false),
        ("streak.claim", "streak.claim", true),
        ("streak.claim", "streak.claimed", false),
        ("streak.claim", "streak", false),
    ] {
        assert_eq!(filter(text).expect("a filter").matches(event), matches, "{text} {event}");
    }
    let long = format!("a.{}", "b".repeat(63));
    for text in
        ["", ".", "*.*", "*.claim", "shop*", "shop.*.x", ".*", "a..b", "a.", "A.b", "a b", &long]
    {
        assert_eq!(filter(text), Err(InvalidFilter), "{text}");
    }
}

fn registered(byte: u8, filters: &[&str]) -> Edit {
    let filters = filters.iter().map(|text| (*text).to_owned().try_into().expect("a filter"));
    Edit::Register {
        id: endpoint(byte),
        url: format!("https://{byte}.example.com/"),
        filters: filters.collect(),
        description: String::new(),
    }
}

#[test]
fn an_endpoint_is_told_of_what_it_subscribes_to_from_its_registration_on_while_active() {
    let noon = at(NOON);
    let (directory, told, change) = Directory::default()
        .edited(&registered(1, &["shop.*", "streak.claim"]), noon)
        .expect("room");
    assert_eq!((directory.version, change), (1, EndpointChange::Registered));
    assert!(told.wants("shop.purchase.succeeded", noon) && told.wants("streak.claim", noon));
    assert!(!told.wants("user.login", noon));
    assert!(!told.wants("streak.claim", at("2026-12-01T11:59:59.999Z")));

    let update = |active, filters| Edit::Update {
        id: endpoint(1),
        url: None,
        filters,
        description: None,
        active,
    };
    let all = Some(vec![EventFilter::try_from("*".to_owned()).expect("a filter")]);
    for (edit, expected) in [
        (update(None, all), EndpointChange::Updated),
        (update(Some(true), None), EndpointChange::Updated),
        (update(Some(false), None), EndpointChange::Deactivated),
    ] {
        assert_eq!(directory.edited(&edit, noon).expect("is there").2, expected, "{edit:?}");
    }
    let (off, told, _) = directory.edited(&update(Some(false), None), noon).expect("is there");
    assert!(!told.wants("streak.claim", noon));
    let (_, told, change) = off.edited(&update(Some(true), None), noon).expect("is there");
    assert_eq!((change, told.active), (EndpointChange::Activated, true));

    let gone = directory.without_gone(endpoint(1)).expect("was active");
    assert_eq!((gone.version, gone.endpoints[0].active, gone.endpoints[0].gone), (2, false, true));
    assert_eq!(gone.without_gone(endpoint(1)), None, "it is known already");
    assert_eq!(gone.without_gone(endpoint(2)), None);
    let back = gone.edited(&update(Some(true), None), noon).expect("is there").1;
    assert!(back.active && !back.gone);
}

#[test]
fn there_are_fifty_endpoints_at_most_and_a_deleted_one_makes_room() {
    let noon = at(NOON);
    let mut directory = Directory::default();
    for byte in 0..50 {
        directory = directory.edited(&registered(byte, &["*"]), noon).expect("room").0;
    }
    let refused = directory.edited(&registered(50, &["*"]), noon).map(drop);
    assert_eq!(refused, Err(Rejection::TooManyWebhookEndpoints { maximum: 50 }));
    let (directory, gone, change) =
        directory.edited(&Edit::Delete { id: endpoint(7) }, noon).expect("is there");
    assert_eq!((gone.id, change), (endpoint(7), EndpointChange::Deleted));
    assert_eq!(directory.find(endpoint(7)), None);
    for edit in [Edit::Delete { id: endpoint(7) }, Edit::RotateSecret { id: endpoint(7) }] {
        let refused = directory.edited(&edit, noon).map(drop);
        assert_eq!(refused, Err(Rejection::WebhookEndpointNotFound), "{edit:?}");
    }
    directory.edited(&registered(50, &["*"]), noon).expect("room");
}

#[test]
fn a_new_secret_signs_beside_the_old_one_for_a_day() {
    let noon = at(NOON);
    let master = WebhookMasterKey::new([3; 32]);
    let secret = |generation| master.secret(endpoint(1), generation);
    let (directory, told, _) =
        Directory::default().edited(&registered(1, &["*"]), noon).expect("room");
    assert_eq!(master.signing(&told, noon), [secret(1)]);
    let rotate = Edit::RotateSecret { id: endpoint(1) };
    let (directory, told, _) = directory.edited(&rotate, noon).expect("is there");
    assert_eq!(master.signing(&told, noon), [secret(2), secret(1)]);
    assert_eq!(master.signing(&told, at("2026-12-02T11:59:59Z")), [secret(2), secret(1)]);
    assert_eq!(master.signing(&told, at("2026-12-02T12:00:00Z")), [secret(2)]);
    // Whoever rotates twice wants to be rid of the first.
    let told = directory.edited(&rotate, noon).expect("is there").1;
    assert_eq!(master.signing(&told, noon), [secret(3), secret(2)]);
    let all = [secret(1), secret(2), master.secret(endpoint(2), 1)];
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    assert_eq!(format!("{master:?} {:?}", all[0]), "WebhookMasterKey(…) SecretKey(…)");
}

/// The example of the Standard Webhooks specification and of its reference libraries'
/// tests.
#[test]
fn signs_as_the_standard_has_it() {
    let secret = SecretKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(secret.sign(id, at, body), signature);
    let other =
        SecretKey::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("one");
    let both = signatures(&[secret.clone(), other.clone()], id, at, body);
    assert_eq!(both, format!("{signature} {}", other.sign(id, at, body)));
    assert_eq!(secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    for text in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_*", "whpk_MfKQ"] {
        assert_eq!(SecretKey::parse(text), None, "{text}");
    }
}

#[test]
fn an_id_is_the_same_for_the_same_event_and_endpoint_and_reads_back() {
    let id = |to, player, seq, instant| DeliveryId::of(endpoint(to), player, seq, at(instant));
    let first = id(1, player(), 7, NOON);
    assert_eq!(first, id(1, player(), 7, NOON));
    for other in [
        id(2, player(), 7, NOON),
        id(1, player(), 8, NOON),
        id(1, PlayerId::from_bytes([8; 16]), 7, NOON),
    ] {
        assert_ne!(first, other);
    }
    assert!(first < id(1, player(), 6, "2026-12-01T12:00:00.001Z"), "ids are in order of time");
    let text = first.to_string();
    // It is signed with dots around it.
    assert!(text.starts_with("msg_") && text.len() == 47 && !text.contains('.'), "{text}");
    assert_eq!(text.parse(), Ok(first));
    let bare = &text[4..];
    for text in
        ["", "msg_", bare, &text[..46], &format!("{text}A"), &format!("{text}AAAA"), "msg_****"]
    {
        assert_eq!(text.parse::<DeliveryId>(), Err(InvalidDeliveryId), "{text}");
    }
}

const BACKOFF: Backoff = Backoff { first: Duration::from_secs(5) };

fn delivery() -> Delivery {
    let id = DeliveryId::of(endpoint(1), player(), 7, at(NOON));
    Delivery::new(id, "streak.claim".to_owned(), "{}".to_owned(), at(NOON))
}

fn claimed(delivery: &Delivery, now: Timestamp) -> Delivery {
    match delivery.claim(now) {
        Claim::Attempt(claimed) => claimed,
        other => panic!("{other:?} of {delivery:?}"),
    }
}

#[test]
fn a_failure_is_tried_again_after_longer_and_longer_and_then_given_up() {
    let mut delivery = delivery();
    let mut now = at(NOON);
    for (attempt, wait_seconds) in [(1, 5), (2, 30), (3, 120), (4, 600), (5, 3600)] {
        let attempting = claimed(&delivery, now);
        assert_eq!(attempting.attempts, attempt);
        let settled = attempting.settled(Outcome::Answered(503), now, BACKOFF);
        assert_eq!((settled.status, settled.leased_until), (Status::Pending, None));
        let due = now + jiff::SignedDuration::from_secs(wait_seconds);
        assert_eq!(settled.due_at, due, "after attempt {attempt}");
        let early = due - jiff::SignedDuration::from_millis(1);
        assert_eq!(settled.claim(early), Claim::Later(due));
        assert_eq!(settled.revision, delivery.revision + 2);
        (delivery, now) = (settled, due);
    }
    let failed = claimed(&delivery, now).settled(Outcome::Failed(Failure::TimedOut), now, BACKOFF);
    let last = Attempt { at: now, outcome: Outcome::Failed(Failure::TimedOut) };
    assert_eq!((failed.status, failed.attempts, failed.last), (Status::Failed, 6, Some(last)));
    assert_eq!(failed.claim(Timestamp::MAX), Claim::Settled);
}

#[test]
fn what_is_delivered_is_never_sent_again() {
    for status in [200, 201, 204, 299] {
        let outcome = Outcome::Answered(status);
        let delivered = claimed(&delivery(), at(NOON)).settled(outcome, at(NOON), BACKOFF);
        assert_eq!(delivered.status, Status::Delivered, "{status}");
        assert_eq!(delivered.claim(Timestamp::MAX), Claim::Settled);
        assert_eq!(delivered.replayed(at(NOON)), None);
    }
    for status in [100, 199, 300, 301, 302, 307, 308, 400, 404, 429, 500, 599] {
        let outcome = Outcome::Answered(status);
        let settled = claimed(&delivery(), at(NOON)).settled(outcome, at(NOON), BACKOFF);
        assert_eq!(settled.status, Status::Pending, "{status}");
    }
}

#[test]
fn a_gone_or_inactive_endpoint_is_not_tried_again() {
    for outcome in [Outcome::Answered(410), Outcome::Failed(Failure::EndpointInactive)] {
        let failed = claimed(&delivery(), at(NOON)).settled(outcome, at(NOON), BACKOFF);
        assert_eq!((failed.status, failed.attempts), (Status::Failed, 1), "{outcome}");
    }
}

#[test]
fn of_two_at_once_one_waits_and_a_dead_attempt_counts() {
    let now = at(NOON);
    let attempting = claimed(&delivery(), now);
    let expires = now + LEASE;
    assert_eq!(attempting.claim(now), Claim::Later(expires));
    let mut dead = claimed(&attempting, expires);
    assert_eq!(dead.attempts, 2);
    for _ in 2..ATTEMPTS {
        dead = claimed(&dead, dead.leased_until.expect("a lease"));
    }
    let end = dead.leased_until.expect("a lease");
    let Claim::Exhausted(failed) = dead.claim(end) else { panic!("{dead:?}") };
    let last = Attempt { at: end, outcome: Outcome::Failed(Failure::Interrupted) };
    assert_eq!((failed.status, failed.last), (Status::Failed, Some(last)));
    assert_eq!(failed.revision, dead.revision + 1);
}

#[test]
fn a_replay_begins_anew_and_keeps_the_id_and_the_body() {
    let now = at("2026-12-20T12:00:00Z");
    let mut failed = delivery();
    (failed.status, failed.attempts) = (Status::Failed, ATTEMPTS);
    let again = failed.replayed(now).expect("it has failed");
    let of = |delivery: &Delivery| (delivery.id, delivery.body.clone());
    assert_eq!(of(&again), of(&failed));
    assert_eq!((again.status, again.attempts, again.revision), (Status::Pending, 0, 2));
    assert_eq!(again.expires_at, at("2027-01-19T12:00:00Z").as_second());
    assert_eq!(claimed(&again, now).attempts, 1);
    assert_eq!(again.replayed(now), None, "it is on its way");
}

fn event(event_type: &str, payload: serde_json::Value) -> Envelope {
    Envelope {
        event_type: event_type.to_owned(),
        user_id: player(),
        ts: at(NOON),
        trace_id: "the-trace".to_owned(),
        idempotency_key: Some("the-key".to_owned()),
        version: 1,
        seq: 7,
        payload,
    }
}

#[test]
fn a_message_says_what_happened_and_nothing_of_the_request_behind_it() {
    let text = message(&event("streak.claim", json!({ "gold": 1123, "day": "2026-12-01" })));
    let expected = json!({
        "type": "streak.claim",
        "timestamp": "2026-12-01T12:00:00Z",
        "data": {
            "user_id": "09090909-0909-0909-0909-090909090909",
            "seq": 7,
            "payload": { "gold": 1123, "day": "2026-12-01" },
        },
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), expected);
}

#[test]
fn an_operators_event_asks_for_a_replay_and_no_other_does() {
    let id = delivery().id;
    let payload = json!({ "action": REPLAY_ACTION, "delivery_id": id });
    assert_eq!(replayed(&event("admin.action", payload.clone())), Some(id));
    assert_eq!(replayed(&event("user.login", payload)), None);
    for other in [
        json!({ "action": "invite_code.issue", "delivery_id": id }),
        json!({ "action": REPLAY_ACTION, "delivery_id": "msg_" }),
        json!({ "action": REPLAY_ACTION }),
    ] {
        assert_eq!(replayed(&event("admin.action", other)), None);
    }
}
