//! Bodies that cannot be read, and how problems are worded.

use reqwest::Method;
use serde_json::json;
use tests::{Answer, Api, Player, Target, stack};

const SPIN: &str = "/api/games/slot/spin";
const LOGIN: &str = "/api/auth/login";

#[tokio::test]
async fn malformed_json_is_400() {
    let target = Target::start().await;
    let player = target.player().await;
    for path in [SPIN, "/api/shop/buy", "/api/games/fairness/rotate", LOGIN] {
        for body in ["", " ", "{", "{]", "{'bet':1}", "\u{0}", "[1", "nul"] {
            let call = player.api.call(Method::POST, path).key("key").body(body);
            call.send().await.is_problem(400, "malformed_json");
        }
    }
    for body in ["{\"bet\":10", "{\"bet\":01}", "{\"bet\":NaN}", "{\"bet\":10}x", "{\"bet\":10,}"] {
        let call = player.api.call(Method::POST, SPIN).key("key").body(body);
        call.send().await.is_problem(400, "malformed_json");
    }
    assert_eq!(player.gold().await, 1000);
}

#[tokio::test]
async fn a_body_over_256_kib_is_413() {
    let target = Target::start().await;
    let player = target.player().await;
    let padded = |bytes: usize| format!("{{\"bet\":10}}{}", " ".repeat(bytes - 10));
    let send = |bytes: usize| player.api.call(Method::POST, SPIN).key("key").body(padded(bytes));
    send(256 * 1024 + 1).send().await.is_problem(413, "body_too_large");
    send(1024 * 1024).send().await.is_problem(413, "body_too_large");
    send(256 * 1024).send().await.ok();
}

#[tokio::test]
async fn another_content_type_is_400() {
    let target = Target::start().await;
    let player = target.player().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let call = player.api.call(Method::POST, SPIN).key("key");
        let call = call.header("content-type", content_type).raw(r#"{"bet":10}"#);
        call.send().await.is_problem(400, "unsupported_content_type");
    }
    assert_eq!(player.gold().await, 1000);
}

#[tokio::test]
async fn problems_are_korean_unless_english_is_asked_for() {
    let target = Target::start().await;
    let player = target.player().await;
    let ask = |languages: &str| player.spin(5000, "key").header("accept-language", languages);
    let detail = |answer: &Answer| {
        let problem = answer.is_problem(422, "insufficient_funds");
        problem["detail"].as_str().unwrap_or_default().to_owned()
    };
    for languages in ["", "ko-KR", "fr", "ja,ko;q=0.5,en;q=0.4"] {
        let answer = ask(languages).send().await;
        assert_eq!(detail(&answer), "보유한 골드가 부족합니다.", "{languages}");
        assert_eq!(answer.header("content-language"), "ko");
    }
    for languages in ["en", "en-US,ko;q=0.5", "fr, en;q=0.2"] {
        let answer = ask(languages).send().await;
        assert_eq!(detail(&answer), "You do not have enough gold.", "{languages}");
        assert_eq!(answer.header("content-language"), "en");
    }
    assert_eq!(detail(&player.spin(5000, "key").send().await), "보유한 골드가 부족합니다.");
}

#[tokio::test]
async fn nothing_a_caller_writes_makes_a_500() {
    let target = Target::start().await;
    let player = target.player().await;
    let nested = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let deep = format!("{{\"bet\":{nested}}}");
    let long = json!({ "product_id": "x".repeat(10_000), "quantity": 1 }).to_string();
    for path in [SPIN, "/api/shop/buy", "/api/games/fairness/rotate", LOGIN, "/api/auth/signup"] {
        for body in ["null", "7", "\"\"", "{}", "{\"\\u0000\":1}", &deep, &nested, &long] {
            let answer = player.api.call(Method::POST, path).key("key").body(body).send().await;
            assert!(answer.status.is_client_error(), "{path} {}: {}", answer.status, &answer.text);
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    for path in ["/api/streak/history?limit=%00", "/api/streak/history?cursor=%ff&x", "/api/%ff"] {
        assert!(player.api.get(path).await.status.as_u16() < 500, "{path}");
    }
}

#[tokio::test]
async fn an_id_that_is_no_text_names_nothing() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for path in ["/api/users/%ff", "/api/shop/transactions/%ff"] {
        player.api.get(path).await.is_problem(404, "not_found");
    }
}
