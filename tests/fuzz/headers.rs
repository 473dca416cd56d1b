//! Headers that an outsider writes: keys, languages, validators, ids.

use proptest::prelude::*;

use crate::{
    nasty::header_text,
    support::{Product, Request, fuzz},
};

/// A key, or nearly one: lengths around the edges.
fn key() -> impl Strategy<Value = String> {
    let edge = prop_oneof![0..3_usize, 126..131_usize];
    prop_oneof![
        header_text(),
        "[!-~]{1,128}",
        (edge, "[ -~]").prop_map(|(length, c)| c.repeat(length)),
        (126..130_usize).prop_map(|length| "é".repeat(length / 2)),
    ]
}

fn is_key(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte))
}

#[test]
fn a_key_is_1_to_128_visible_ascii_characters_under_either_name() {
    let product = Product::start();
    let inputs = (prop::option::of(key()), prop::option::of(key()), any::<bool>());
    fuzz(600, &inputs, |(key, older, same)| {
        let older = if same { key.clone() } else { older };
        let mut request = Request::new("POST", "/api/games/fairness/rotate")
            .header("authorization", product.bearer())
            .header("content-type", "application/json")
            .body(r#"{"client_seed":"mine"}"#);
        for (name, value) in [("idempotency-key", &key), ("x-idempotency-key", &older)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let reply = product.ask(&request)?;
        let given: Vec<_> = [&key, &older].into_iter().flatten().collect();
        let expected = match &given[..] {
            [] => (422, "idempotency_key_required"),
            all if all.iter().all(|key| is_key(key) && key == &all[0]) => (200, ""),
            _ => (422, "idempotency_key_invalid"),
        };
        // More of them than one player may ask for in a minute; a key that was refused
        // would not have come that far.
        let too_fast = expected.0 == 200 && (reply.status, reply.code()) == (429, "rate_limited");
        prop_assert!(too_fast || (reply.status, reply.code()) == expected, "{reply:?}");
        Ok(())
    });
}

#[test]
fn an_answer_is_korean_or_english_whatever_is_asked_for() {
    let product = Product::start();
    let range = ("(ko|en|EN-us|fr|\\*|x)", "(;q=[0-9.]{0,6}| ;q=1|;q=0|;a=b|)");
    let ranges = prop::collection::vec(range, 0..6);
    let sound = ranges.prop_map(|ranges| {
        let ranges: Vec<_> = ranges.iter().map(|(tag, rest)| format!("{tag}{rest}")).collect();
        ranges.join(", ")
    });
    fuzz(500, &prop_oneof![sound, header_text()], |languages| {
        let request =
            Request::new("GET", "/api/users/balance").header("accept-language", languages.clone());
        let reply = product.ask(&request)?;
        prop_assert_eq!(reply.code(), "unauthenticated");
        let language = reply.header("content-language");
        let words =
            if language == "en" { "Please sign in." } else { "로그인이 필요합니다." };
        prop_assert!(["ko", "en"].contains(&language));
        prop_assert_eq!(&reply.body["detail"], words);
        if !languages.to_lowercase().contains("en") {
            prop_assert_eq!(language, "ko");
        }
        Ok(())
    });
}

#[test]
fn an_etag_is_known_again_and_nothing_else_is() {
    let product = Product::start();
    let request = Request::new("GET", "/api/dashboard").header("authorization", product.bearer());
    let etag = product.ask(&request).expect("an answer").header("etag").to_owned();
    assert!(etag.starts_with('"'), "the dashboard has an entity tag: {etag}");
    let known = prop::sample::select(vec!["{}", "W/{}", "\"a\", {}", "{} ,\"b\"", "*"]);
    fuzz(500, &prop_oneof![known.prop_map(str::to_owned), header_text()], |header| {
        let header = header.replace("{}", &etag);
        let reply = product.ask(&request.clone().header("if-none-match", header.clone()))?;
        prop_assert!([200, 304].contains(&reply.status), "{}", reply.text);
        prop_assert_eq!(reply.header("etag"), &etag);
        let listed = |tag: &str| tag.trim().trim_start_matches("W/") == etag;
        let known = header.split(',').any(listed) || header.trim() == "*";
        prop_assert_eq!(reply.status == 304, known);
        Ok(())
    });
}

#[test]
fn ids_of_requests_and_traces_come_back_plain_or_are_made_anew() {
    let product = Product::start();
    let names = ["x-request-id", "traceparent", "x-amzn-trace-id", "x-forwarded-for", "user-agent"];
    let inputs = (prop::sample::select(names.to_vec()), header_text());
    fuzz(500, &inputs, |(name, value)| {
        let reply = product.ask(&Request::new("GET", "/health").header(name, value))?;
        prop_assert_eq!(reply.status, 200);
        let id = reply.header("x-request-id");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:=".contains(&byte);
        prop_assert!((1..=128).contains(&id.len()) && id.bytes().all(plain), "{}", id);
        Ok(())
    });
}
