//! Registering receivers: what an endpoint may be, and who sees its secret.

use devstack::Options;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Reaction::Status, fresh_name};

use super::{ENDPOINTS, World, body, change, receiver, register};

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_answered_again_with_its_secret_which_nothing_else_shows() {
    let world = World::new().await;
    let operator = &world.operator;
    let request = body("http://127.0.0.1:9/hook", &["shop.*"]);
    let register = |body: &Value| operator.api.post(ENDPOINTS, body).key("the-key").send();
    let first = register(&request).await;
    assert_eq!(first.status, 201);
    let again = register(&request).await;
    assert_eq!((again.status.as_u16(), again.is_replayed(), &again.text), (201, true, &first.text));
    let other = body("http://127.0.0.1:9/other", &["shop.*"]);
    register(&other).await.is_problem(409, "idempotency_key_reused");

    let (answer, secret) = (first.json(), first.json()["secret"].clone());
    let secret =
        secret.as_str().and_then(|secret| secret.strip_prefix("whsec_")).expect("a secret");
    let endpoint = answer["endpoint"].clone();
    assert_eq!(endpoint["url"], "http://127.0.0.1:9/hook");
    let list = operator.api.get(ENDPOINTS).await;
    assert_eq!(list.ok()["items"], json!([endpoint]));
    let store = world.stack.store("test");
    let entries = store.entries_after(operator.id.parse().expect("an id"), 0, 10).await;
    let entries = entries.expect("the journal");
    let journal = serde_json::to_string(&entries).expect("JSON");
    let events: Vec<_> = entries.iter().map(domain::envelope).collect();
    let events = serde_json::to_string(&events).expect("JSON");
    for text in [&list.text, &journal, &events] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(events.contains("webhook_endpoint.registered") && events.contains("a test"));
    assert!(!events.contains("127.0.0.1:9"), "a URL may hold a secret of the receiver's");

    let id = endpoint["id"].as_str().expect("an id");
    let path = format!("/api/admin/webhooks/endpoints/{id}");
    let delete = |query: &str, key: &str| {
        operator.api.call(Method::DELETE, &format!("{path}{query}")).key(key).send()
    };
    delete("", "no-reason").await.is_problem(422, "validation_failed");
    let deleted = delete("?reason=a%20test", "delete").await;
    assert_eq!(deleted.ok(), endpoint);
    assert_eq!(delete("?reason=a%20test", "delete").await.text, deleted.text);
    delete("?reason=a%20test", "once-more").await.is_problem(404, "webhook_endpoint_not_found");
    change(operator, id, json!({})).await.is_problem(404, "webhook_endpoint_not_found");
    change(operator, "nobody", json!({})).await.is_problem(404, "webhook_endpoint_not_found");
    assert_eq!(operator.api.get(ENDPOINTS).await.ok()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_each_request_is_another_one() {
    let world = World::new().await;
    let api = &world.operator.api;
    let request = body("http://127.0.0.1:9/hook", &["shop.*"]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let registered = api.post(ENDPOINTS, &request).send().await;
        assert_eq!((registered.status.as_u16(), registered.is_replayed()), (201, false));
        ids.push(registered.json()["endpoint"]["id"].as_str().expect("an id").to_owned());
    }
    assert_ne!(ids[0], ids[1]);

    let path = format!("{ENDPOINTS}/{}", ids[0]);
    let rotate = api.post(&format!("{path}/rotate-secret"), &json!({ "reason": "a test" }));
    rotate.send().await.is_problem(422, "idempotency_key_required");
    let renamed = json!({ "description": "Another's", "reason": "a test" });
    let updated = api.call(Method::PUT, &path).body(renamed.to_string()).send().await.ok();
    assert_eq!(updated["description"], "Another's");
    let delete = || api.call(Method::DELETE, &format!("{path}?reason=a%20test")).send();
    delete().await.ok();
    delete().await.is_problem(404, "webhook_endpoint_not_found");
    assert_eq!(world.endpoint(&ids[1]).await["url"], request["url"]);

    let unknown = format!("/api/admin/webhooks/replay/msg_{}", "A".repeat(43));
    let replay = api.post(&unknown, &json!({ "reason": "a test" })).send().await;
    replay.is_problem(404, "webhook_delivery_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_public_internet_is_in_reach_unless_a_stage_says_otherwise() {
    let world = World::with(Options::default(), &[("WebhookReach", "public")]).await;
    let inside = receiver(&[Status(200)]).await;
    for url in [
        inside.url.as_str(),
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://user:password@hooks.example.com/",
        "https://localhost/",
        "https://2130706433/",
        "https://nobody.invalid/",
        "no url",
    ] {
        let refused = register(&world.operator, url, &["*"]).await;
        let problem = refused.is_problem(422, "webhook_url_not_allowed");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
    }
    // The same where the machine itself is in reach: nothing else is.
    let world = World::new().await;
    let (endpoint, _) = world.register(&inside, &["streak.claim"]).await;
    for url in ["http://10.0.0.1/", "http://169.254.169.254/", "http://[::ffff:10.0.0.1]/"] {
        let refused = change(&world.operator, &endpoint, json!({ "url": url })).await;
        refused.is_problem(422, "webhook_url_not_allowed");
    }
    world.player.claim().await.ok();
    assert_eq!(inside.hears(1).await.len(), 1);
}

#[tokio::test]
async fn what_an_endpoint_may_not_be_is_422_with_the_place() {
    let world = World::new().await;
    for (member, value, pointer, rule) in [
        ("url", json!(""), "/url", "too_short"),
        ("url", json!(format!("https://a.b/{}", "x".repeat(512))), "/url", "too_long"),
        ("event_types", json!([]), "/event_types", "too_short"),
        ("event_types", json!(vec!["*"; 21]), "/event_types", "too_long"),
        ("event_types", json!(["*", "shop*"]), "/event_types/1", "invalid_format"),
        ("description", json!("d".repeat(201)), "/description", "too_long"),
        ("reason", json!(""), "/reason", "too_short"),
        ("secret", json!("whsec_mine"), "/secret", "unknown_field"),
    ] {
        let mut body = body("http://127.0.0.1:9/", &["*"]);
        body[member] = value;
        let answer = world.operator.api.post(ENDPOINTS, &body).key(&fresh_name()).send().await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
        assert_eq!(problem["errors"][0]["code"], rule, "{pointer}");
    }
    for (query, pointer) in [
        ("", "/endpoint"),
        ("?endpoint=nobody", "/endpoint"),
        ("?endpoint=01a1fc2d-373d-7239-99a1-cae86f96420f&status=lost", "/status"),
        ("?endpoint=01a1fc2d-373d-7239-99a1-cae86f96420f&limit=101", "/limit"),
        ("?endpoint=01a1fc2d-373d-7239-99a1-cae86f96420f&cursor=mine", "/cursor"),
    ] {
        let path = format!("/api/admin/webhooks/deliveries{query}");
        let problem = world.operator.api.get(&path).await.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
    let body = body("http://127.0.0.1:9/", &["*"]);
    let by = |api: &Api| api.post(ENDPOINTS, &body).key("k").send();
    by(&world.player.api).await.is_problem(403, "forbidden");
    by(&world.player.api.somebody_else()).await.is_problem(401, "unauthenticated");
}
