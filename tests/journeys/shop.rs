//! The shop.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Target, shop::receipt};

#[tokio::test]
async fn the_catalog_is_in_the_readers_language_and_needs_no_login() {
    let target = Target::start().await;
    let api = target.api();
    let korean = api.get("/api/shop/catalog").await;
    let english = api.call(Method::GET, "/api/shop/catalog").english().send().await;
    assert_eq!(
        korean.ok()["items"][0],
        json!({ "product_id": "streak_shield", "kind": "item", "name": "연속 출석 보호권",
                "description": "하루를 놓쳐도 연속 출석이 끊기지 않습니다.", "price_gold": 500,
                "grants": { "streak_protection": 1 } })
    );
    assert_eq!(english.ok()["items"][0]["name"], "Streak shield");
    assert_ne!(korean.header("etag"), english.header("etag"));
    assert!(korean.header("vary").to_lowercase().contains("accept-language"), "caches must know");
    assert_eq!(api.get("/api/shop/items").await.text, korean.text);

    let again = api
        .call(Method::GET, "/api/shop/catalog")
        .header("if-none-match", korean.header("etag"))
        .send()
        .await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
}

#[tokio::test]
async fn an_item_costs_what_the_catalog_says_and_is_bought_once_per_key() {
    let target = Target::start().await;
    let player = target.player().await;
    let first = player.buy("streak_shield", 2, "key").send().await;
    let bought = first.ok();
    assert_eq!(bought["granted"], json!({ "streak_protection": 2 }));
    assert_eq!((&bought["status"], &bought["price_gold"]), (&json!("success"), &json!(1000)));
    assert_eq!(bought["gold_balance"], 0);
    assert_eq!(player.api.get("/api/streak/status").await.ok()["protection"], 2);

    let again = player.buy("streak_shield", 2, "key").send().await;
    assert_eq!((again.is_replayed(), &again.text), (true, &first.text));
    let body = json!({ "product_id": "streak_shield", "quantity": 2 });
    let alias = player.api.post("/api/shop/purchase", &body).key("key").send().await;
    assert_eq!((alias.is_replayed(), &alias.text), (true, &first.text));
    player.buy("streak_shield", 1, "key").send().await.is_problem(409, "idempotency_key_reused");
    // It needs no payment token, but with one it is another body.
    let paid = player.pay("streak_shield", 2, "tok_ok", "key").send().await;
    paid.is_problem(409, "idempotency_key_reused");
    assert_eq!(player.gold().await, 0);
}

#[tokio::test]
async fn settling_what_was_paid_for_with_gold_shows_it() {
    let target = Target::start().await;
    let player = target.player().await;
    let receipt = receipt(&player.buy("neon_frame", 1, "key").send().await);
    let settled = player.settle(&receipt).send().await.ok();
    assert_eq!(settled["status"], "success");
    assert_eq!(settled, player.purchase(&receipt).await);
    let other = target.player().await;
    other.settle(&receipt).send().await.is_problem(404, "purchase_not_found");
    // It needs no key, but what is given as one must be one.
    player.settle(&receipt).key("any").send().await.ok();
    let invalid = player.settle(&receipt).key("a b").send().await;
    invalid.is_problem(422, "idempotency_key_invalid");
    assert_eq!(player.gold().await, 700);
}

#[tokio::test]
async fn the_older_path_buys_too() {
    let target = Target::start().await;
    let player = target.player().await;
    let body = json!({ "product_id": "neon_frame", "quantity": 1 });
    let bought = player.api.post("/api/shop/purchase", &body).key("key").send().await.ok();
    assert_eq!((&bought["gold_balance"], player.gold().await), (&json!(700), 700));
}

#[tokio::test]
async fn a_purchase_that_breaks_a_rule_changes_nothing() {
    let target = Target::start().await;
    let player = target.player().await;
    let before = player.me().await;
    for (product, quantity, rule) in [
        ("streak_shield", 0, "too_small"),
        ("streak_shield", 11, "too_large"),
        ("streak_shield", 100, "too_large"),
        ("neon_frame", 2, "too_large"),
    ] {
        let answer = player.buy(product, quantity, "key").send().await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/quantity");
        assert_eq!(problem["errors"][0]["code"], rule, "{product} x {quantity}");
    }
    player.buy("moon", 1, "key").send().await.is_problem(404, "product_not_found");
    let answer = player.buy("streak_shield", 3, "key").send().await;
    let problem = answer.is_problem(422, "insufficient_funds");
    assert_eq!((&problem["needed_gold"], &problem["gold_balance"]), (&json!(1500), &json!(1000)));
    assert_eq!(problem["errors"][0]["pointer"], "/quantity");
    let cheaper = json!({ "product_id": "neon_frame", "quantity": 1, "price_gold": 1 });
    let answer = player.api.post("/api/shop/buy", &cheaper).key("key").send().await;
    assert_eq!(answer.is_problem(422, "validation_failed")["errors"][0]["pointer"], "/price_gold");
    let keyless = json!({ "product_id": "neon_frame", "quantity": 1 });
    let answer = player.api.post("/api/shop/buy", &keyless).send().await;
    answer.is_problem(422, "idempotency_key_required");
    assert_eq!(player.me().await, before);
}

#[tokio::test]
async fn a_request_to_buy_that_changes_nothing_is_told_to_who_is_there() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut sockets = [player.socket().await, player.socket().await];
    for socket in &mut sockets {
        socket.until("initial_state").await;
    }
    let bought = receipt(&player.buy("neon_frame", 1, "key").send().await);
    let again = player.buy("neon_frame", 1, "key").send().await;
    assert!(again.is_replayed());
    let dear = player.buy("streak_shield", 2, "dear").send().await;
    dear.is_problem(422, "insufficient_funds");
    player.buy("moon", 1, "moon").send().await.is_problem(404, "product_not_found");
    // Neither of these is a purchase that failed.
    player.buy("moon", 1, "key").send().await.is_problem(409, "idempotency_key_reused");
    player.buy("moon", 0, "none").send().await.is_problem(422, "validation_failed");
    let package = json!({ "code": "moon", "quantity": 1 });
    let unknown = player.api.post("/api/shop/limited/buy", &package).key("limited").send().await;
    unknown.is_problem(404, "limited_package_not_found");

    let once = json!({ "product_id": "neon_frame", "receipt": bought, "quantity": 1,
                       "status": "idempotent_reuse", "price_gold": 300 });
    let refused = |product: &str, quantity: u64, status: &str, reason: &str| json!({ "product_id": product, "quantity": quantity, "status": status, "reason": reason });
    let failed = "item_purchase_failed";
    let told = [
        once,
        refused("streak_shield", 2, "insufficient_funds", "insufficient_funds"),
        refused("moon", 1, failed, "product_not_found"),
        refused("moon", 1, failed, "limited_package_not_found"),
    ];
    for socket in &mut sockets {
        for data in &told {
            let of_none = |frame: &Value| frame["seq"] == 0;
            let frame = socket.until_frame(of_none).await;
            assert_eq!((&frame["type"], &frame["data"]), (&json!("purchase_update"), data));
            assert_eq!(frame["user_id"], player.id);
        }
        let of_none = socket.frames.iter().filter(|frame| frame["seq"] == 0);
        let traces: BTreeSet<_> = of_none.filter_map(|frame| frame["trace_id"].as_str()).collect();
        assert_eq!(traces.len(), told.len(), "each of a request of its own: {traces:?}");
    }
}

#[tokio::test]
async fn who_was_never_looked_at_is_recommended_what_newcomers_are() {
    let target = Target::start().await;
    target.api().get("/api/recommendations").await.is_problem(401, "unauthenticated");
    let player = target.player().await;
    let call = player.api.call(Method::GET, "/api/recommendations").english();
    let answer = call.send().await.ok();
    assert!(answer["computed_at"].is_null(), "{answer}");
    let items = answer["items"].as_array().expect("items");
    let shown: Vec<_> = items.iter().map(|of| (&of["product_id"], &of["reason"])).collect();
    let [streak, pack, frame] =
        ["keep_your_streak", "first_pack", "show_yourself"].map(Value::from);
    let [shield, gold, neon] = ["streak_shield", "gold_pack_1000", "neon_frame"].map(Value::from);
    assert_eq!(shown, [(&shield, &streak), (&gold, &pack), (&neon, &frame)]);
    assert_eq!(items[0]["name"], "Streak shield");
    assert_eq!(items[1]["price_money"], json!({ "amount_minor": 1200, "currency": "KRW" }));
}
