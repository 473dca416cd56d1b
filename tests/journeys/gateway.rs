//! What is the same for every path, and for paths that do not exist.

use reqwest::Method;
use tests::{Answer, Api, PASSWORD, Target, stack_with, without_domain};

use crate::operations::operations;

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
        (Method::POST, "/api/auth/me", "DELETE, GET"),
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
async fn which_origins_are_allowed_is_configured() {
    let mut options = devstack::Options::default();
    let origins = "https://club.example,https://www.club.example".to_owned();
    options.parameters.insert("AllowedOrigins".to_owned(), origins);
    let stack = stack_with(options).await;
    let ask = async |method: Method, origin: &str| {
        let call = Api::new(&stack.base_url).call(method, "/api/auth/me").header("origin", origin);
        call.header("access-control-request-method", "GET").send().await
    };
    for (origin, allowed) in [
        ("https://club.example", true),
        ("https://www.club.example", true),
        ("https://club.example.evil.example", false),
        ("https://evil-club.example", false),
        ("http://club.example", false),
        ("https://club.example:8443", false),
        ("http://localhost:3000", false),
        ("null", false),
    ] {
        let expected = if allowed { origin } else { "" };
        let preflight = ask(Method::OPTIONS, origin).await;
        assert_eq!(preflight.header("access-control-allow-origin"), expected, "{origin}");
        let methods = preflight.header("access-control-allow-methods");
        assert_eq!(!methods.is_empty(), allowed, "{origin}");
        // A refusal is an answer, too, that the page may read.
        let answer = ask(Method::GET, origin).await;
        answer.is_problem(401, "unauthenticated");
        assert_eq!(answer.header("access-control-allow-origin"), expected, "{origin}");
        // Tokens travel in a header; cookies are for nobody.
        for answer in [&preflight, &answer] {
            assert_eq!(answer.header("access-control-allow-credentials"), "");
        }
    }
}

#[track_caller]
fn is_hardened(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{what}");
    }
    let security = answer.header("strict-transport-security");
    let age = security.strip_prefix("max-age=").and_then(|rest| rest.split(';').next());
    let age: u32 = age.and_then(|age| age.parse().ok()).expect("an age");
    assert!(age >= 31_536_000, "{what}: {security}");
    let content = answer.header("content-security-policy");
    assert!(content.contains("default-src 'none'"), "{what}: {content}");
    assert!(content.contains("frame-ancestors 'none'"), "{what}: {content}");
    assert!(answer.header("permissions-policy").contains("geolocation=()"), "{what}");
    assert!(!answer.header("cache-control").is_empty(), "{what}");
    for tells in ["server", "x-powered-by", "x-aspnet-version"] {
        assert_eq!(answer.header(tells), "", "{what}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_of_a_hardened_site() {
    // Every answer is read to its end.
    let target = Target::or(without_domain()).await;
    let player = target.player().await;
    for operation in operations(&target.api()).await {
        let answer = operation.empty_call(&target.api()).send().await;
        is_hardened(&answer, &operation.name());
        let caller = target.player().await;
        let answer = operation.call(&caller.api, &caller).send().await;
        is_hardened(&answer, &operation.name());
    }
    for path in ["/", "/api/nowhere", "/api/auth/me?x=%00"] {
        is_hardened(&player.api.get(path).await, path);
    }
    is_hardened(&player.api.call(Method::PATCH, "/api/auth/me").send().await, "405");
    let large = player.spin(1, "key").raw(vec![b' '; 300 * 1024]);
    is_hardened(&large.send().await, "413");
}

#[tokio::test]
async fn what_is_somebodys_own_is_kept_by_no_cache() {
    let target = Target::start().await;
    let player = target.player().await;
    for path in ["/api/auth/me", "/api/users/balance", "/api/users/stats", "/api/streak/history"] {
        let kept = player.api.get(path).await.header("cache-control").to_owned();
        assert!(kept.contains("no-store") || kept.contains("private"), "{path}: {kept}");
    }
    for answer in [player.refresh().send().await, player.try_password(PASSWORD).send().await] {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.text);
    }
}
