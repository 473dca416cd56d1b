use proptest::prelude::*;

use super::*;

const BODY: &[u8] = br#"{"hello":"world"}"#;
/// `whsec_0123456789abcdef0123456789abcdef`, in base64.
const SECRET: &str = "d2hzZWNfMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Of [`BODY`] at second 1800000000, by Python's hmac.
const V1: &str = "2d9ea835c28573e4f8a4efd3dc02ff4bba31065b83954c730fc7755bcc71238b";
const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn verified_at(second: i64, header: &str, body: &[u8]) -> Result<(), NoticeError> {
    let json = serde_json::json!({
        "active": "next",
        "keys": [
            { "kid": "next", "secret": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" },
            { "kid": "now", "secret": SECRET },
        ],
    });
    let keys = WebhookKeys::from_json(&json.to_string()).unwrap();
    verify(&keys, header, body, Timestamp::from_second(second).unwrap())
}

fn verified(header: &str) -> Result<(), NoticeError> {
    verified_at(1_800_000_000, header, BODY)
}

#[test]
fn accepts_what_one_of_the_secrets_signed() {
    verified(&format!("t=1800000000,v1={V1}")).unwrap();
    verified(&format!("t=1800000000,v1={OTHER},v1={V1},v0={OTHER}")).unwrap();
    verified(&format!("v1={V1}, t=1800000000")).unwrap();
}

#[test]
fn other_schemes_prove_nothing() {
    for header in [format!("t=1800000000,v0={V1}"), format!("t=1800000000,v2={V1}")] {
        let answer = verified(&header);
        assert!(matches!(answer, Err(NoticeError::SignatureMalformed)), "{header}: {answer:?}");
    }
}

#[test]
fn refuses_what_was_not_signed() {
    for header in [format!("t=1800000000,v1={OTHER}"), format!("t=1800000001,v1={V1}")] {
        let answer = verified(&header);
        assert!(matches!(answer, Err(NoticeError::SignatureInvalid)), "{header}: {answer:?}");
    }
    let answer = verified_at(1_800_000_000, &format!("t=1800000000,v1={V1}"), b"{}");
    assert!(matches!(answer, Err(NoticeError::SignatureInvalid)), "{answer:?}");
}

#[test]
fn is_good_for_five_minutes_either_way() {
    let header = format!("t=1800000000,v1={V1}");
    for skew in [-300, 300] {
        verified_at(1_800_000_000 + skew, &header, BODY).unwrap();
    }
    for skew in [-301, 301] {
        let answer = verified_at(1_800_000_000 + skew, &header, BODY);
        assert!(matches!(answer, Err(NoticeError::TimestampOutOfRange)), "{answer:?}");
    }
}

#[test]
fn refuses_a_header_that_is_none() {
    let nine = vec![format!("v1={OTHER}"); 9].join(",");
    for header in [
        String::new(),
        format!("v1={V1}"),
        "t=1800000000".to_owned(),
        format!("t=-1800000000,v1={V1}"),
        format!("t=,v1={V1}"),
        format!("t=1800000000,t=1800000000,v1={V1}"),
        format!("t=1800000000,v1={}", &V1[1..]),
        format!("t=1800000000,v1=z{}", &V1[1..]),
        format!("t=1800000000,{nine}"),
        format!("t=1800000000,v1={V1},"),
    ] {
        let answer = verified(&header);
        assert!(matches!(answer, Err(NoticeError::SignatureMalformed)), "{header}: {answer:?}");
    }
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(header in ".{0,300}") {
        prop_assert!(verified(&header).is_err());
    }

    #[test]
    fn nearly_a_header_is_refused_without_a_panic(t in "[0-9+-]{0,25}", v1 in "[0-9a-fA-Fé]{60,68}") {
        let header = format!("t={t},v1={v1}");
        prop_assert!(verified(&header).is_err());
    }
}
