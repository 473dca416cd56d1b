//! Access tokens.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use domain::{Email, EmailAddress};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use proptest::{prelude::*, sample};
use runtime::auth::{JwtKeys, RefreshToken, email_token};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

use crate::{
    nasty::{Change, change, changes, header_text, json, text},
    support::{Product, Request, fuzz},
};

const NOW: i64 = 1_800_000_000;
const PLAYER: &str = "00000000-0000-7000-8000-000000000007";
const SECRETS: [[u8; 32]; 2] = [[1; 32], [2; 32]];

fn keys() -> JwtKeys {
    let key = |kid: &str, secret| json!({ "kid": kid, "alg": "HS256", "secret": BASE64_STANDARD.encode(secret) });
    let keys = json!({ "active": "k1", "keys": [key("k1", SECRETS[0]), key("k2", SECRETS[1])] });
    JwtKeys::from_json(&keys.to_string()).expect("keys")
}

/// Signs as JWS does, with any algorithm of the family and any secret.
fn sign(algorithm: usize, secret: &[u8], message: &str) -> Vec<u8> {
    macro_rules! with {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(secret).expect("any length");
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }};
    }
    match algorithm {
        0 => with!(Sha256),
        1 => with!(Sha384),
        _ => with!(Sha512),
    }
}

fn part(json: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

/// An object's member that is as it should be in most cases.
fn mostly(
    sound: Vec<Value>,
    other: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        12 => sample::select(sound).prop_map(Some),
        1 => other.prop_map(Some),
        1 => Just(None),
    ]
}

fn of(members: &[(&str, &Option<Value>)]) -> Value {
    let present = members.iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| ((*name).to_owned(), value.clone()))
    });
    Value::Object(present.collect())
}

fn header() -> impl Strategy<Value = Value> {
    let names =
        || sample::select(vec!["none", "None", "HS384", "HS512", "RS256", "ES256", "hs256"]);
    (
        mostly(vec![json!("HS256")], prop_oneof![names().prop_map(Value::from), json()]),
        mostly(
            vec![json!("k1"), json!("k2")],
            prop_oneof![
                sample::select(vec!["", "K1", "k1 ", "k9", "../k1", "k1\0", "/dev/null", "0"])
                    .prop_map(Value::from),
                json(),
            ],
        ),
        mostly(vec![json!("JWT")], json()),
        prop::option::weighted(0.1, prop_oneof![Just(json!(["exp"])), Just(json!([])), json()]),
        prop::option::weighted(
            0.1,
            (sample::select(vec!["jwk", "jku", "x5u", "x5c", "b64", "cty"]), json()),
        ),
    )
        .prop_map(|(alg, kid, typ, crit, more)| {
            let mut header = of(&[("alg", &alg), ("kid", &kid), ("typ", &typ), ("crit", &crit)]);
            if let Some((name, value)) = more {
                header[name] = value;
            }
            header
        })
}

fn claims() -> impl Strategy<Value = Value> {
    let time = || {
        prop_oneof![any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from), json()]
    };
    (
        mostly(vec![json!("casino-club")], prop_oneof![Just(json!(["casino-club"])), json()]),
        mostly(
            vec![json!("casino-club-api")],
            prop_oneof![Just(json!(["casino-club-api", "x"])), json()],
        ),
        mostly(vec![json!(PLAYER)], prop_oneof![text().prop_map(Value::from), json()]),
        mostly(vec![json!("standard"), json!("admin")], json()),
        mostly(vec![json!(PLAYER)], json()),
        mostly(
            vec![json!(NOW), json!(NOW - 800)],
            prop_oneof![(-3000..3000_i64).prop_map(|d| json!(NOW + d)), time()],
        ),
        mostly(
            vec![json!(NOW + 100), json!(NOW + 60)],
            prop_oneof![(-3000..3000_i64).prop_map(|d| json!(NOW + d)), time()],
        ),
    )
        .prop_map(|(iss, aud, sub, role, sid, iat, exp)| {
            of(&[
                ("iss", &iss),
                ("aud", &aud),
                ("sub", &sub),
                ("role", &role),
                ("sid", &sid),
                ("iat", &iat),
                ("exp", &exp),
            ])
        })
}

/// What the rules say of a token, in other words than the code's.
fn is_good(header: &Value, claims: &Value, algorithm: usize, secret: &[u8]) -> bool {
    let known = [("k1", &SECRETS[0]), ("k2", &SECRETS[1])];
    let signed =
        algorithm == 0 && known.iter().any(|(kid, of)| header["kid"] == *kid && &of[..] == secret);
    let (iat, exp) = (claims["iat"].as_i64(), claims["exp"].as_i64());
    let timely = iat.zip(exp).is_some_and(|(iat, exp)| {
        iat <= NOW + 5 && exp > iat && exp.saturating_sub(iat) <= 900 && NOW < exp.saturating_add(5)
    });
    let is_uuid =
        |claim: &Value| claim.as_str().is_some_and(|text| text.parse::<domain::PlayerId>().is_ok());
    signed
        && header["alg"] == "HS256"
        && header["crit"].is_null()
        && timely
        && is_uuid(&claims["sub"])
        && is_uuid(&claims["sid"])
}

#[test]
fn whoever_signs_only_a_listed_key_and_sound_claims_make_a_token() {
    let keys = keys();
    let now = Timestamp::from_second(NOW).expect("an instant");
    let secret = prop_oneof![
        8 => sample::select(vec![SECRETS[0].to_vec(), SECRETS[1].to_vec()]),
        1 => sample::select(vec![vec![], b"k1".to_vec(), vec![0; 32], vec![1; 31]]),
        1 => prop::collection::vec(any::<u8>(), 0..80),
    ];
    let inputs =
        (header(), claims(), prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(2)], secret);
    fuzz(4000, &inputs, |(header, claims, algorithm, secret)| {
        let message = format!("{}.{}", part(&header.to_string()), part(&claims.to_string()));
        let signature = sign(algorithm, &secret, &message);
        let token = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
        if let Ok(read) = keys.verify(&token, now) {
            prop_assert!(is_good(&header, &claims, algorithm, &secret), "{} {}", header, claims);
            prop_assert_eq!(read.iss, "casino-club");
            prop_assert_eq!(read.aud, "casino-club-api");
            prop_assert_eq!(
                json!(read.sub),
                claims["sub"].as_str().unwrap_or_default().to_lowercase()
            );
            prop_assert_eq!(json!(read.role), claims["role"].clone());
        }
        Ok(())
    });
}

#[test]
fn what_should_be_a_token_is_one() {
    let keys = keys();
    let now = Timestamp::from_second(NOW).expect("an instant");
    let inputs = (0..2_usize, -5..895_i64, 1..=900_i64);
    fuzz(500, &inputs, |(key, age, life)| {
        let claims = json!({ "iss": "casino-club", "aud": "casino-club-api", "sub": PLAYER,
            "role": "standard", "sid": PLAYER, "iat": NOW - age, "exp": NOW - age + life });
        let kid = ["k1", "k2"][key];
        let header = json!({ "typ": "JWT", "alg": "HS256", "kid": kid });
        let message = format!("{}.{}", part(&header.to_string()), part(&claims.to_string()));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(0, &SECRETS[key], &message));
        let good = keys.verify(&format!("{message}.{signature}"), now).is_ok();
        prop_assert_eq!(good, life - age > -5, "{} {}", age, life);
        Ok(())
    });
}

/// What becomes of a genuine token.
#[derive(Clone, Debug)]
enum Forgery {
    Changed(Vec<Change>),
    /// Another part in place of the first, second or third.
    Part(usize, String),
    /// Parts in another order or number.
    Order(Vec<usize>),
    Longer(usize),
    Other(String),
    Signed {
        header: Value,
        secret: Vec<u8>,
    },
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let secrets = vec![vec![], b"local-1".to_vec(), b"secret".to_vec(), vec![0; 32]];
    prop_oneof![
        4 => changes(1..4).prop_map(Forgery::Changed),
        2 => (0..3_usize, header()).prop_map(|(at, json)| Forgery::Part(at, part(&json.to_string()))),
        2 => (0..3_usize, claims()).prop_map(|(at, json)| Forgery::Part(at, part(&json.to_string()))),
        2 => (0..3_usize, header_text()).prop_map(|(at, text)| Forgery::Part(at, text)),
        1 => prop::collection::vec(0..3_usize, 0..6).prop_map(Forgery::Order),
        1 => (0..100_000_usize).prop_map(Forgery::Longer),
        1 => header_text().prop_map(Forgery::Other),
        2 => (header(), sample::select(secrets))
            .prop_map(|(header, secret)| Forgery::Signed { header, secret }),
    ]
}

impl Forgery {
    fn of(&self, token: &str) -> String {
        let parts: Vec<&str> = token.split('.').collect();
        match self {
            Self::Changed(changes) => {
                let mut bytes = token.as_bytes().to_vec();
                changes.iter().for_each(|change| change.apply(&mut bytes));
                bytes.retain(|byte| byte.is_ascii() && !byte.is_ascii_control());
                String::from_utf8(bytes).unwrap_or_default()
            }
            Self::Part(at, other) => {
                let mut parts = parts;
                parts[*at] = other;
                parts.join(".")
            }
            Self::Order(order) => order.iter().map(|&at| parts[at]).collect::<Vec<_>>().join("."),
            Self::Longer(by) => format!("{token}{}", "A".repeat(*by)),
            Self::Other(text) => text.clone(),
            Self::Signed { header, secret } => {
                let message = format!("{}.{}", part(&header.to_string()), parts[1]);
                let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(0, secret, &message));
                format!("{message}.{signature}")
            }
        }
    }
}

#[test]
fn a_forged_token_opens_no_door() {
    let product = Product::start();
    let genuine = product.token().to_owned();
    let bearer =
        sample::select(vec!["Bearer ", "bearer ", "BEARER  ", "Bearer", "", "Basic ", "Bearer, "]);
    fuzz(1000, &(bearer, prop::option::weighted(0.9, forgery())), |(scheme, forgery)| {
        let token = forgery.map_or_else(|| genuine.clone(), |forgery| forgery.of(&genuine));
        let request = Request::new("GET", "/api/users/balance")
            .header("authorization", format!("{scheme}{token}"));
        let reply = product.ask(&request)?;
        let genuine = token.trim() == genuine
            && scheme.trim().eq_ignore_ascii_case("bearer")
            && scheme.ends_with(' ');
        if genuine {
            prop_assert_eq!(reply.status, 200);
        } else {
            prop_assert_eq!((reply.status, reply.code()), (401, "unauthenticated"));
            prop_assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        Ok(())
    });
}

#[test]
fn one_change_of_one_bit_is_one_too_many() {
    let keys = keys();
    let now = Timestamp::from_second(NOW).expect("an instant");
    let player = PLAYER.parse::<domain::PlayerId>().expect("a player").uuid();
    let issued = keys.issue(player, domain::Role::Standard, player, now);
    let genuine = issued.token.expose().as_bytes().to_vec();
    fuzz(3000, &change(), |change| {
        let mut bytes = genuine.clone();
        change.apply(&mut bytes);
        if let (true, Ok(token)) = (bytes != genuine, String::from_utf8(bytes)) {
            prop_assert!(keys.verify(&token, now).is_err(), "{}", token);
        }
        Ok(())
    });
}

/// The only texts that are refresh tokens are those that were given out, byte for
/// byte: nothing of what is signed can be written in two ways.
#[test]
fn nothing_but_a_refresh_token_that_was_given_out_is_one() {
    let keys = keys();
    let genuine = RefreshToken {
        player: PLAYER.parse().expect("an id"),
        session: PLAYER.parse().expect("an id"),
        generation: 7,
    };
    let text = genuine.issue(&keys).expose().to_owned();
    assert_eq!(RefreshToken::verify(&keys, &text), Some(genuine));
    let inputs = (forgery(), 0..4_usize, 0..4_usize, header_text());
    fuzz(4000, &inputs, |(forgery, from, to, noise)| {
        let parts: Vec<&str> = text.split('.').collect();
        let mut swapped = parts.clone();
        swapped.swap(from, to);
        let mut replaced = parts;
        replaced[from] = &noise;
        for forged in [forgery.of(&text), swapped.join("."), replaced.join(".")] {
            let read = RefreshToken::verify(&keys, &forged);
            prop_assert_eq!(read.is_some(), forged == text, "{}", forged);
        }
        Ok(())
    });
}

#[test]
fn whatever_is_presented_as_a_refresh_token_is_refused_as_nobodys() {
    let product = Product::start();
    let text = product.player.refresh_token.clone();
    fuzz(300, &(forgery(), any::<bool>()), |(forgery, access)| {
        let of = if access { product.token() } else { &text };
        let forged = forgery.of(of);
        if forged == text {
            return Ok(());
        }
        let body = json!({ "refresh_token": forged }).to_string();
        let request = Request::new("POST", "/api/auth/refresh")
            .header("content-type", "application/json")
            .body(body);
        let reply = product.ask(&request)?;
        let expected = [(401, "unauthenticated"), (422, "validation_failed")];
        prop_assert!(expected.contains(&(reply.status, reply.code())), "{}", reply.text);
        Ok(())
    });
}

/// The only text that proves an address is the one that was mailed to it, byte for byte.
#[test]
fn nothing_but_the_token_of_a_mail_proves_its_address() {
    let keys = keys();
    let player = PLAYER.parse().expect("an id");
    let email = Email {
        address: EmailAddress::new("fuzz@mail.example".to_owned()),
        requested_by: 7,
        confirm_until: Timestamp::from_second(NOW).expect("an instant"),
    };
    let token = email_token::issue(&keys, player, &email).expose().to_owned();
    assert!(email_token::proves(&keys, player, &email, &token));
    let inputs = (changes(1..4), header_text(), any::<u64>());
    fuzz(3000, &inputs, |(changes, noise, seq)| {
        let mut bytes = token.clone().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        let tag = token.split_once('.').map_or("", |(_, tag)| tag);
        for text in [changed, noise.clone(), format!("{seq}.{tag}"), format!("7.{noise}")] {
            let proves = email_token::proves(&keys, player, &email, &text);
            prop_assert_eq!(proves, text == token, "{}", text);
            // Read before anything is known of it.
            let _ = email_token::requested_by(&text);
        }
        Ok(())
    });
}
