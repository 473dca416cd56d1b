use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn key(kid: &str, alg: &str) -> Value {
    let seed = kid.bytes().map(usize::from).sum::<usize>();
    let secret: Vec<u8> =
        (0..48_usize).map(|i| u8::try_from((i * 7 + seed) % 251).unwrap()).collect();
    json!({ "kid": kid, "alg": alg, "secret": BASE64_STANDARD.encode(secret) })
}

fn keys(active: &str, keys: &[Value]) -> JwtKeys {
    JwtKeys::from_json(&json!({ "active": active, "keys": keys }).to_string()).unwrap()
}

fn k1() -> JwtKeys {
    keys("k1", &[key("k1", "HS256")])
}

fn token(keys: &JwtKeys) -> String {
    keys.issue(Uuid::from_u128(7), Role::Vip, Uuid::from_u128(8), at(0)).token.expose().to_owned()
}

/// Signs anything with `k1`'s real key: what only we could do.
fn signed(header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &k1().keys[0].encoding).unwrap()
}

fn header(kid: &str) -> Header {
    Header { kid: Some(kid.into()), ..Header::new(Algorithm::HS256) }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": Uuid::from_u128(7), "role": "vip",
            "sid": Uuid::from_u128(8), "iat": at(0).as_second(), "exp": at(900).as_second() })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

#[test]
fn a_token_says_who_and_until_when() {
    let issued = k1().issue(Uuid::from_u128(7), Role::Vip, Uuid::from_u128(8), at(0));
    assert_eq!(issued.expires_in, 900);
    let claims = k1().verify(issued.token.expose(), at(899)).unwrap();
    assert_eq!(
        (claims.sub, claims.role, claims.sid),
        (Uuid::from_u128(7), Role::Vip, Uuid::from_u128(8))
    );
}

#[test]
fn a_token_is_good_from_its_issue_to_its_expiry_give_or_take_the_leeway() {
    let token = token(&k1());
    for (second, want) in [
        (-6, Err(TokenError::NotYet)),
        (-5, Ok(())),
        (0, Ok(())),
        (904, Ok(())),
        (905, Err(TokenError::Expired)),
        (10_000_000, Err(TokenError::Expired)),
    ] {
        assert_eq!(k1().verify(&token, at(second)).map(drop), want, "{second}");
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    for alg in ["none", "None", "NONE"] {
        let unsigned = format!("{}.{}.", part(json!({"alg": alg, "kid": "k1"})), part(claims()));
        assert_eq!(k1().verify(&unsigned, at(0)).map(drop), Err(TokenError::Malformed));
    }
}

#[test]
fn the_algorithm_is_the_keys_not_the_tokens() {
    let other = Header { alg: Algorithm::HS512, ..header("k1") };
    let token = signed(&other, &claims());
    assert_eq!(k1().verify(&token, at(0)).map(drop), Err(TokenError::WrongAlgorithm));
}

#[test]
fn an_unknown_or_missing_key_id_is_refused() {
    let unknown = signed(&header("k9"), &claims());
    assert_eq!(k1().verify(&unknown, at(0)).map(drop), Err(TokenError::UnknownKey));
    let missing = signed(&Header::new(Algorithm::HS256), &claims());
    assert_eq!(k1().verify(&missing, at(0)).map(drop), Err(TokenError::UnknownKey));
}

#[test]
fn a_changed_token_is_refused() {
    let token = token(&k1());
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
    let promoted = BASE64_URL_SAFE_NO_PAD.encode(with("role", "admin").to_string());
    let forged = format!("{header}.{promoted}.{signature}");
    assert_eq!(k1().verify(&forged, at(0)).map(drop), Err(TokenError::Forged));
    for nonsense in ["", ".", "..", "a.b.c", "a.b.c.d", "ey", &token[..token.len() - 3]] {
        assert!(k1().verify(nonsense, at(0)).is_err(), "{nonsense}");
    }
}

#[test]
fn another_key_of_the_same_name_is_refused() {
    let mut other = key("k2", "HS256");
    other["kid"] = "k1".into();
    let forged = token(&keys("k1", &[other]));
    assert_eq!(k1().verify(&forged, at(0)).map(drop), Err(TokenError::Forged));
}

#[test]
fn claims_must_be_ours_and_whole() {
    for claims in [
        with("aud", "another-api"),
        with("aud", Value::Null),
        with("iss", "somebody-else"),
        with("iss", Value::Null),
        with("sub", "not-a-uuid"),
        with("role", "owner"),
        with("sid", Value::Null),
        with("exp", Value::Null),
        with("exp", "tomorrow"),
        with("exp", at(901).as_second()),
        with("exp", at(0).as_second()),
        with("exp", i64::MAX),
        with("iat", i64::MIN),
    ] {
        let token = signed(&header("k1"), &claims);
        assert_eq!(k1().verify(&token, at(0)).map(drop), Err(TokenError::WrongClaims), "{claims}");
    }
    let future = signed(&header("k1"), &with("iat", i64::MAX));
    assert_eq!(k1().verify(&future, at(0)).map(drop), Err(TokenError::NotYet));
    assert!(k1().verify(&signed(&header("k1"), &claims()), at(0)).is_ok());
}

#[test]
fn critical_extensions_are_refused() {
    let critical = Header { crit: Some(vec!["b64".into()]), ..header("k1") };
    assert_eq!(
        k1().verify(&signed(&critical, &claims()), at(0)).map(drop),
        Err(TokenError::Malformed)
    );
}

#[test]
fn the_next_key_is_accepted_before_it_signs_and_a_retired_one_no_more() {
    let both = [key("k1", "HS256"), key("k2", "HS512")];
    let (before, after) = (keys("k1", &both), keys("k2", &both));
    let only_new = keys("k2", &both[1..]);
    let (old, new) = (token(&before), token(&after));
    for keys in [&before, &after] {
        assert!(keys.verify(&old, at(0)).is_ok() && keys.verify(&new, at(0)).is_ok());
    }
    assert!(only_new.verify(&new, at(0)).is_ok());
    assert_eq!(only_new.verify(&old, at(0)).map(drop), Err(TokenError::UnknownKey));
}

#[test]
fn unusable_keys_stop_the_start_and_are_not_shown() {
    let short = json!({"kid": "k1", "alg": "HS256", "secret": BASE64_STANDARD.encode("hunter2")});
    for json in [
        json!({}),
        json!("hunter2"),
        json!({"active": "k1", "keys": []}),
        json!({"active": "k2", "keys": [key("k1", "HS256")]}),
        json!({"active": "k1", "keys": [key("k1", "RS256")]}),
        json!({"active": "k1", "keys": [key("k1", "none")]}),
        json!({"active": "k1", "keys": [key("k1", "HS256"), key("k1", "HS256")]}),
        json!({"active": "k1", "keys": [short]}),
    ] {
        let error = JwtKeys::from_json(&json.to_string()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let shown = format!("{:?}", k1());
    assert!(shown.contains("k1") && shown.len() < 60, "{shown}");
}
