//! Who is not known is told so: 401, never 403, never 500.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Hands, Player, Target, stack_with};

async fn refused(api: &Api, authorization: Option<&str>) {
    let call = api.call(Method::GET, "/api/auth/me");
    let call = match authorization {
        Some(value) => call.header("authorization", value),
        None => call,
    };
    let answer = call.send().await;
    answer.is_problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer", "{authorization:?}");
}

#[tokio::test]
async fn no_token_and_malformed_ones_are_401() {
    let target = Target::start().await;
    let player = target.player().await;
    let token = player.api.token().expect("a token");
    refused(&target.api(), None).await;
    for value in ["", "Bearer", "Bearer ", "Bearer x", "Bearer x.y.z", "Basic YTpi", token] {
        refused(&target.api(), Some(value)).await;
    }
}

#[tokio::test]
async fn forged_tokens_are_401() {
    let target = Target::start().await;
    let (player, victim) = (target.player().await, target.player().await);
    let token = player.api.token().expect("a token");
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |part: &str| -> Value {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, claims) = (decode(parts[0]), decode(parts[1]));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("HS256"), &json!("JWT")));
    assert_eq!((&claims["sub"], &claims["role"]), (&json!(player.id), &json!("standard")));
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("casino-club"), &json!("casino-club-api"))
    );
    assert!(player.refresh_token.contains(claims["sid"].as_str().expect("a session")));
    let with = |of: &Value, member: &str, value: Value| {
        let mut changed = of.clone();
        changed[member] = value;
        encode(&changed)
    };
    let (none, lower) = (with(&header, "alg", json!("none")), with(&header, "alg", json!("None")));
    let forged = [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{lower}.{}.", parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", with(&header, "alg", json!("RS256")), parts[1], parts[2]),
        format!("{}.{}.{}", with(&header, "kid", json!("other")), parts[1], parts[2]),
        format!("{}.{}.{}", with(&header, "kid", json!("../../dev/null")), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], with(&claims, "sub", json!(victim.id)), parts[2]),
        format!("{}.{}.{}", parts[0], with(&claims, "role", json!("admin")), parts[2]),
        format!("{}.{}.{}", parts[0], with(&claims, "exp", json!(i64::MAX)), parts[2]),
        format!("{}.{}.{}", parts[0], with(&claims, "sid", json!(victim.id)), parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], BASE64_URL_SAFE_NO_PAD.encode([0; 32])),
    ];
    for token in forged {
        refused(&target.api(), Some(&format!("Bearer {token}"))).await;
    }
    player.me().await;
}

#[tokio::test]
async fn a_token_is_good_for_fifteen_minutes() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    hands.set("2026-12-01T09:14:59Z");
    player.me().await;
    // Five seconds are granted to clocks that differ.
    hands.set("2026-12-01T09:15:04Z");
    player.me().await;
    hands.set("2026-12-01T09:15:05Z");
    let bearer = format!("Bearer {}", player.api.token().expect("a token"));
    refused(&Api::new(&stack.base_url), Some(&bearer)).await;
    player.log_in().await.me().await;
}

#[tokio::test]
async fn whatever_is_somebodys_own_needs_a_token() {
    let target = Target::start().await;
    let document = target.api().get("/openapi.json").await.ok();
    let mut guarded = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if operation["security"].is_null() {
                continue;
            }
            guarded += 1;
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let answer = target.api().call(method, path).key("key").body("{}").send().await;
            answer.is_problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
        }
    }
    assert!(guarded >= 14, "{guarded}");
}

#[tokio::test]
async fn keys_rotate_without_a_deployment_and_without_signing_anyone_out() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let functions = &stack.spec().functions;
    let secret = functions["AuthLoginFunction"].env["JWT_KEYS_SECRET"].as_str();
    let key = |kid: &str| {
        let secret = BASE64_STANDARD.encode([kid.as_bytes()[1]; 32]);
        json!({ "kid": kid, "alg": "HS256", "secret": secret })
    };
    let keys = |active: &str, kids: &[&str]| {
        let keys: Vec<_> = kids.iter().map(|kid| key(kid)).collect();
        stack.engine().put_secret(secret, &json!({ "active": active, "keys": keys }).to_string());
    };
    let kid = |player: &Player| {
        let header = player.api.token().and_then(|token| token.split('.').next()).expect("a token");
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).expect("base64");
        serde_json::from_slice::<Value>(&header).expect("JSON")["kid"].clone()
    };
    // Functions look again after five minutes.
    keys("k1", &["k1"]);
    hands.set("2026-12-01T09:05:00Z");
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    assert_eq!(kid(&player), "k1");
    keys("k1", &["k1", "k2"]);
    hands.set("2026-12-01T09:10:00Z");
    assert_eq!(kid(&player.log_in().await), "k1");
    player.me().await;
    keys("k2", &["k1", "k2"]);
    let last = player.log_in().await;
    assert_eq!(kid(&last), "k1", "not noticed yet");
    hands.set("2026-12-01T09:15:00Z");
    // A session goes on with the new key.
    let next = player.with_tokens(&player.refresh().send().await.ok());
    assert_eq!(kid(&next), "k2");
    last.me().await;
    next.me().await;
    keys("k2", &["k2"]);
    hands.set("2026-12-01T09:20:00Z");
    next.me().await;
    next.with_tokens(&next.refresh().send().await.ok()).me().await;
    let bearer = format!("Bearer {}", last.api.token().expect("a token"));
    refused(&Api::new(&stack.base_url), Some(&bearer)).await;
    last.refresh().send().await.is_problem(401, "unauthenticated");
}
