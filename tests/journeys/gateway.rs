//! What is the same for every path, and for paths that do not exist.

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn an_unknown_path_is_404() {
    let target = Target::start().await;
    let player = target.player().await;
    for path in ["/", "/api", "/api/nowhere", "/api/auth/me/x", "/api/games/slot/spins", "/%2e%2e/"]
    {
        for api in [&target.api(), &player.api] {
            api.get(path).await.is_problem(404, "not_found");
            api.post(path, &serde_json::json!({})).send().await.is_problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_405_with_those_it_does() {
    let target = Target::start().await;
    let mut wrong = vec![
        (Method::GET, "/api/games/slot/spin", "POST"),
        (Method::DELETE, "/api/games/slot/spin", "POST"),
        (Method::POST, "/api/auth/me", "GET"),
        (Method::PUT, "/api/shop/catalog", "GET"),
        (Method::GET, "/api/auth/login", "POST"),
        (Method::PATCH, "/health", "GET,HEAD"),
    ];
    // Some gateways take every OPTIONS for a preflight.
    if target.private("OPTIONS that is no preflight").is_some() {
        wrong.push((Method::OPTIONS, "/api/shop/buy", "POST"));
    }
    for (method, path, allow) in wrong {
        let answer = target.api().call(method.clone(), path).send().await;
        answer.is_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn the_request_id_is_echoed_or_made() {
    let target = Target::start().await;
    let api = target.api();
    for path in ["/health", "/api/nowhere", "/api/auth/me"] {
        let call = || api.call(Method::GET, path);
        let echoed = call().header("x-request-id", "abc-1").send().await;
        assert_eq!(echoed.header("x-request-id"), "abc-1");
        let made = [call().send().await, call().header("x-request-id", "not one").send().await];
        for answer in &made {
            assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
        }
        assert_ne!(made[0].header("x-request-id"), made[1].header("x-request-id"));
        if !echoed.status.is_success() {
            assert_eq!(echoed.json()["request_id"], "abc-1");
            assert_eq!(echoed.json()["instance"], path);
        }
    }
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call() {
    let target = Target::start().await;
    let preflight = |origin: &str| {
        target
            .api()
            .call(Method::OPTIONS, "/api/games/slot/spin")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,idempotency-key")
    };
    let allowed = preflight("http://localhost:3000").send().await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), "http://localhost:3000");
    let has = |name: &str, value: &str| {
        let list = allowed.header(name).to_lowercase();
        assert!(list.split(',').any(|item| item.trim() == value), "{name}: {list}");
    };
    for method in ["get", "post", "put", "delete"] {
        has("access-control-allow-methods", method);
    }
    for header in ["authorization", "content-type", "idempotency-key", "if-none-match"] {
        has("access-control-allow-headers", header);
    }
    let refused = preflight("https://evil.example").send().await;
    assert_eq!(refused.header("access-control-allow-origin"), "");

    let call = target.api().call(Method::GET, "/health").header("origin", "http://localhost:3000");
    let answer = call.send().await;
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:3000");
    assert!(answer.header("access-control-expose-headers").contains("idempotency-replayed"));
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let target = Target::start().await;
    for path in ["/health", "/api/nowhere", "/api/auth/me", "/api/shop/catalog"] {
        let answer = target.api().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("strict-transport-security").starts_with("max-age="), "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
    }
}
