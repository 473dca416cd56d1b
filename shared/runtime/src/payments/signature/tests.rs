use proptest::prelude::*;

use super::*;

const BODY: &[u8] = br#"{"hello":"world"}"#;
const NONCE: &str = "nonce-0123456789ab";
/// Of [`BODY`] and [`NONCE`] at second 1800000000 with 32 bytes of 1, by Python's hmac.
const KNOWN: &str = "algo=HMAC-SHA256,kid=k1,ts=1800000000,nonce=nonce-0123456789ab,\
                     sig=jLbCDOllLm87wgK6LHP/5rHe2odxc4e3xNmeG8ssSKY=";

/// Keys of 32 equal bytes, by name and byte; the first is active.
fn keys(of: &[(&str, u8)]) -> WebhookKeys {
    let keys: Vec<_> = of
        .iter()
        .map(|(kid, byte)| {
            serde_json::json!({ "kid": kid, "secret": BASE64_STANDARD.encode([*byte; 32]) })
        })
        .collect();
    let json = serde_json::json!({ "active": of[0].0, "keys": keys });
    WebhookKeys::from_json(&json.to_string()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn verified(header: &str) -> Result<Nonce, NoticeError> {
    verify(&keys(&[("k1", 1)]), header, BODY, at(1_800_000_000))
}

#[test]
fn signs_as_documented() {
    assert_eq!(sign(&keys(&[("k1", 1)]), at(1_800_000_000), NONCE, BODY), KNOWN);
}

#[test]
fn accepts_what_was_signed_as_documented() {
    let nonce = Nonce { kid: "k1".to_owned(), nonce: NONCE.to_owned() };
    assert_eq!(verified(KNOWN).unwrap(), nonce);
}

#[test]
fn reads_the_fields_in_any_order() {
    let mut fields: Vec<_> = KNOWN.split(',').collect();
    fields.reverse();
    assert!(verified(&fields.join(", ")).is_ok());
}

#[test]
fn a_nonce_is_any_visible_text_without_comma_and_dot() {
    let keys = keys(&[("k1", 1)]);
    let now = at(1_800_000_000);
    for nonce in ["1", "c2hvcnQ=", "AAECAwQFBgcICQoLDA0ODw==", "a+b/c:e#f", &"n".repeat(128)] {
        let header = sign(&keys, now, nonce, BODY);
        assert_eq!(verify(&keys, &header, BODY, now).unwrap().nonce, nonce);
    }
}

#[test]
fn a_signature_is_good_for_five_minutes_either_way() {
    let keys = keys(&[("k1", 1)]);
    for (skew, good) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
        let answer = verify(&keys, KNOWN, BODY, at(1_800_000_000 + skew));
        match answer {
            Ok(_) => assert!(good, "{skew}"),
            Err(NoticeError::TimestampOutOfRange) => assert!(!good, "{skew}"),
            Err(error) => panic!("{skew}: {error}"),
        }
    }
}

#[test]
fn refuses_a_header_that_is_none() {
    let without = |name: &str| {
        let fields = KNOWN.split(',').filter(|field| !field.starts_with(name));
        fields.collect::<Vec<_>>().join(",")
    };
    let with = |from: &str, to: &str| {
        assert!(KNOWN.contains(from), "{from}");
        KNOWN.replace(from, to)
    };
    let mut broken: Vec<_> = ["algo", "kid", "ts", "nonce", "sig"].map(without).into();
    broken.extend([
        String::new(),
        "algo".to_owned(),
        format!("{KNOWN},"),
        format!("{KNOWN},kid=k1"),
        format!("{KNOWN},extra=1"),
        with("HMAC-SHA256", "none"),
        with("HMAC-SHA256", "hmac-sha256"),
        with("ts=1800000000", "ts=+1800000000"),
        with("ts=1800000000", "ts="),
        with("ts=1800000000", "ts=1800000000.0"),
        with("ts=1800000000", "ts=9999999999999"),
        with("kid=k1", "kid="),
        with("nonce=nonce-0123456789ab", "nonce="),
        with("nonce=nonce-0123456789ab", &format!("nonce={}", "n".repeat(129))),
        with("nonce=nonce-0123456789ab", "nonce=nonce 0123456789ab"),
        with("nonce=nonce-0123456789ab", "nonce=nonce,0123456789ab"),
        with("nonce=nonce-0123456789ab", "nonce=nonce-é"),
        with("nonce=nonce-0123456789ab", "nonce=nonce.0123456789ab"),
        with("SKY=", "SKY"),
        with("sig=jLbC", "sig="),
        with("sig=jLbC", "sig=!!!!"),
    ]);
    for header in broken {
        let answer = verified(&header);
        assert!(matches!(answer, Err(NoticeError::SignatureMalformed)), "{header}: {answer:?}");
    }
}

#[test]
fn refuses_a_key_that_is_not_listed() {
    let answer = verified(&KNOWN.replace("kid=k1", "kid=k2"));
    assert!(matches!(answer, Err(NoticeError::KeyUnknown)), "{answer:?}");
}

#[test]
fn refuses_anything_that_was_not_signed() {
    for (from, to) in [
        ("ts=1800000000", "ts=1800000001"),
        // The same second, otherwise written.
        ("ts=1800000000", "ts=01800000000"),
        ("nonce=nonce-0123456789ab", "nonce=nonce-0123456789ac"),
        ("sig=jLbC", "sig=kLbC"),
    ] {
        let answer = verified(&KNOWN.replace(from, to));
        assert!(matches!(answer, Err(NoticeError::SignatureInvalid)), "{to}: {answer:?}");
    }
    for body in [&br#"{"hello": "world"}"#[..], b"", b"{\"hello\":\"world\"}\n"] {
        let answer = verify(&keys(&[("k1", 1)]), KNOWN, body, at(1_800_000_000));
        assert!(matches!(answer, Err(NoticeError::SignatureInvalid)), "{answer:?}");
    }
    // The right name, another secret.
    let answer = verify(&keys(&[("k1", 2)]), KNOWN, BODY, at(1_800_000_000));
    assert!(matches!(answer, Err(NoticeError::SignatureInvalid)), "{answer:?}");
}

#[test]
fn what_is_wrong_first_is_what_is_said() {
    // An unknown key, long ago, with a wrong signature.
    let unknown = KNOWN.replace("kid=k1", "kid=k2").replace("sig=j", "sig=k");
    let later = at(1_900_000_000);
    let answer = verify(&keys(&[("k1", 1)]), &unknown, BODY, later);
    assert!(matches!(answer, Err(NoticeError::KeyUnknown)), "{answer:?}");
    // Long ago, with a wrong signature.
    let old = KNOWN.replace("sig=j", "sig=k");
    let answer = verify(&keys(&[("k1", 1)]), &old, BODY, later);
    assert!(matches!(answer, Err(NoticeError::TimestampOutOfRange)), "{answer:?}");
}

#[test]
fn keys_rotate_without_a_gap() {
    let now = at(1_800_000_000);
    let (old, new) = (("k1", 1), ("k2", 2));
    let receivers = [keys(&[old, new]), keys(&[new, old])];
    for sender in [keys(&[old, new]), keys(&[new, old])] {
        let header = sign(&sender, now, NONCE, BODY);
        for receiver in &receivers {
            assert!(verify(receiver, &header, BODY, now).is_ok(), "{header}");
        }
    }
    // Once the old one is gone, so are its signatures.
    let header = sign(&keys(&[old, new]), now, NONCE, BODY);
    let answer = verify(&keys(&[new]), &header, BODY, now);
    assert!(matches!(answer, Err(NoticeError::KeyUnknown)), "{answer:?}");
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(header in ".{0,300}") {
        prop_assert!(verified(&header).is_err());
    }

    /// Near misses, which get further than noise.
    #[test]
    fn no_mutilated_header_is_believed(
        at in 0..KNOWN.len(),
        length in 0..8_usize,
        put in "[a-zA-Z0-9=,+/ -]{0,4}",
    ) {
        let end = (at + length).min(KNOWN.len());
        let header = format!("{}{put}{}", &KNOWN[..at], &KNOWN[end..]);
        // Spaces around a field mean nothing.
        prop_assume!(header.replace(' ', "") != KNOWN);
        prop_assert!(verified(&header).is_err(), "{}", header);
    }

    #[test]
    fn whatever_is_signed_is_accepted(
        nonce in r"[\x21-\x2b\x2d\x2f-\x7e]{1,128}",
        body in prop::collection::vec(any::<u8>(), 0..200),
        second in 0..4_000_000_000_i64,
    ) {
        let keys = keys(&[("k1", 1)]);
        let header = sign(&keys, at(second), &nonce, &body);
        let expected = Nonce { kid: "k1".to_owned(), nonce };
        prop_assert_eq!(verify(&keys, &header, &body, at(second)).unwrap(), expected);
    }
}
