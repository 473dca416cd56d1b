//! Gold packs: from the request over the provider's notices to the last refund.

use std::time::Duration;

use devstack::Stack;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use runtime::payments::{WebhookKeys, signature};
use serde_json::{Value, json};
use tests::{
    Answer, Api, DEADLINE, Hands, Player, Target, eventually,
    shop::{prompt_payments, receipt, shop, stands},
    stack_with,
};

const WEBHOOK: &str = "/api/shop/webhook/payment";
const NOON: &str = "2026-12-01T12:00:00Z";

/// Fourteen minutes and a bit after noon, and sixteen.
const BEFORE_IT_IS_DUE: &str = "2026-12-01T12:14:59Z";
const WHEN_IT_IS_DUE: &str = "2026-12-01T12:15:01Z";

/// Nothing happens by itself but what `cargo up` has: works on any deployment whose
/// provider is the simulated one.
#[tokio::test]
async fn a_pack_is_pending_then_a_success_that_is_pushed() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    let answer = player.pay("gold_pack_1000", 2, "tok_pending_ok", "pack").send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let begun = answer.ok();
    assert_eq!(
        (&begun["status"], &begun["product_id"]),
        (&json!("pending"), &json!("gold_pack_1000"))
    );
    assert_eq!(begun["price_money"], json!({ "amount_minor": 2400, "currency": "KRW" }));
    assert_eq!((&begun["gold_balance"], player.gold().await), (&json!(1000), 1000));

    let of = |status: &'static str| {
        move |frame: &Value| frame["type"] == "purchase_update" && frame["data"]["status"] == status
    };
    socket.until_frame(of("pending")).await;
    let pushed = socket.until_frame(of("success")).await;
    assert_eq!(pushed["data"]["gold_balance"], 3000);
    assert_eq!(pushed["data"]["receipt"], begun["receipt"]);
    assert_eq!(player.gold().await, 3000);
    let again = player.pay("gold_pack_1000", 2, "tok_pending_ok", "pack").send().await;
    assert_eq!((again.is_replayed(), &again.text), (true, &answer.text));
    assert_eq!(player.gold().await, 3000);
}

#[tokio::test]
async fn what_the_token_says_becomes_of_the_purchase() {
    let stack = shop().await;
    for (token, status, gold) in [
        ("tok_ok", "success", 2000),
        ("tok_declined", "failed", 1000),
        ("tok_nonsense", "failed", 1000),
        ("tok_pending_ok", "success", 2000),
        ("tok_pending_declined", "failed", 1000),
        ("tok_duplicate", "success", 2000),
        ("tok_out_of_order", "success", 2000),
        ("tok_refund", "refunded", 1000),
        ("tok_chargeback", "charged_back", 1000),
    ] {
        let player = Player::sign_up(&Api::new(&stack.base_url)).await;
        let receipt = receipt(&player.pay("gold_pack_1000", 1, token, "pack").send().await);
        stands(&player, &receipt, status).await;
        stack.settled(DEADLINE).await.expect("settles");
        assert_eq!(player.gold().await, gold, "{token}");
    }
}

#[tokio::test]
async fn what_a_request_lacks_is_said_and_nothing_begins() {
    let stack = shop().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let wrong = player.buy("gold_pack_1000", 1, "a").send().await;
    let problem = wrong.is_problem(422, "payment_token_required");
    assert_eq!(problem["errors"][0]["pointer"], "/payment_token");
    let gone = player.log_in().await;
    gone.log_out().send().await.ok();
    gone.buy("gold_pack_1000", 1, "a").send().await.is_problem(401, "unauthenticated");
    let wrong = player.pay("gold_pack_1000", 11, "tok_ok", "b").send().await;
    wrong.is_problem(422, "validation_failed");
    let wrong = player.pay("gold_pack_9", 1, "tok_ok", "c").send().await;
    wrong.is_problem(404, "product_not_found");
    assert_eq!(player.api.get("/api/shop/transactions").await.ok()["items"], json!([]));
    assert!(stack.provider().book().is_empty());

    player.pay("gold_pack_1000", 1, "tok_ok", "d").send().await.ok();
    for (quantity, token) in [(2, "tok_ok"), (1, "tok_duplicate")] {
        let other = player.pay("gold_pack_1000", quantity, token, "d").send().await;
        other.is_problem(409, "idempotency_key_reused");
    }
    player.buy("neon_frame", 1, "d").send().await.is_problem(409, "idempotency_key_reused");
    assert_eq!(stack.provider().book().len(), 1);
}

#[tokio::test]
async fn own_purchases_of_both_kinds_are_listed_newest_first_a_page_at_a_time() {
    let stack = shop().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut bought = Vec::new();
    for number in 0..3 {
        let pack = player.pay("gold_pack_1000", 1, "tok_ok", &format!("p{number}")).send().await;
        bought.insert(0, receipt(&pack));
        stands(&player, &bought[0], "success").await;
        let item = player.buy("neon_frame", 1, &format!("i{number}")).send().await;
        bought.insert(0, receipt(&item));
    }
    for limit in [1, 2, 4, 100] {
        let (mut listed, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/shop/transactions?limit={limit}{cursor}");
            let page = player.api.get(&path).await.ok();
            let items = page["items"].as_array().expect("items").clone();
            assert!(items.len() <= limit);
            listed.extend(items.iter().map(|item| item["receipt"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(listed, bought, "{limit} a page");
    }
    let item = player.purchase(&bought[0]).await;
    assert_eq!((&item["status"], &item["price_gold"]), (&json!("success"), &json!(300)));
    let pack = player.purchase(&bought[1]).await;
    assert_eq!((&pack["status"], &pack["grants"]), (&json!("success"), &json!({ "gold": 1000 })));

    // Nobody sees what is another's, and nonsense is no receipt.
    let other = Player::sign_up(&Api::new(&stack.base_url)).await;
    for receipt in [bought[0].as_str(), &bought[1], "nonsense", &other.id] {
        let path = format!("/api/shop/transactions/{receipt}");
        other.api.get(&path).await.is_problem(404, "purchase_not_found");
        other.settle(receipt).send().await.is_problem(404, "purchase_not_found");
    }
}

/// A provider that is asked but says nothing by itself.
async fn silent(hands: &Hands) -> Stack {
    let options = devstack::Options { payment_pace: provider::Pace::Driven, ..hands.options() };
    stack_with(prompt_payments(options)).await
}

#[tokio::test]
async fn settling_asks_the_provider_and_pays_once_however_often() {
    let hands = Hands::at(NOON);
    let stack = silent(&hands).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let receipt = receipt(&player.pay("gold_pack_1000", 1, "tok_pending_ok", "pack").send().await);
    assert_eq!(player.settle(&receipt).send().await.ok()["status"], "pending");
    // Its notices are written, and come when it is let.
    stack.provider().advance(Duration::from_millis(1)).await;
    let settled = futures::future::join_all((0..20).map(|_| player.settle(&receipt).send())).await;
    for answer in &settled {
        assert!(answer.status == 200 || answer.status == 503, "{}", answer.text);
    }
    assert_eq!(player.settle(&receipt).send().await.ok()["status"], "success");
    assert_eq!(player.gold().await, 2000);
}

#[tokio::test]
async fn what_nobody_hears_of_is_called_off_when_its_time_is_up() {
    let hands = Hands::at(NOON);
    let stack = silent(&hands).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let receipt = receipt(&player.pay("gold_pack_1000", 1, "tok_pending_ok", "pack").send().await);

    hands.set(BEFORE_IT_IS_DUE);
    let report = stack.run_now("pending-cleanup").await.expect("it runs");
    assert_eq!(report["due"], 0);
    hands.set(WHEN_IT_IS_DUE);
    let report = stack.run_now("pending-cleanup").await.expect("it runs");
    assert_eq!((&report["due"], &report["finished"]), (&json!(1), &json!(1)));
    let again = stack.run_now("pending-cleanup").await.expect("it runs");
    assert_eq!(again["due"], 0);
    let player = player.log_in().await;
    assert_eq!(player.purchase(&receipt).await["status"], "expired");
    assert_eq!(player.gold().await, 1000);
    // The provider has let go of it as well: nothing is paid for nothing.
    stack.provider().advance(Duration::from_secs(60)).await;
    assert_eq!(stack.provider().book()[0].payment.status, "canceled");
    assert_eq!(player.purchase(&receipt).await["status"], "expired");
}

/// Keys that a test knows.
fn keys() -> (String, WebhookKeys) {
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyLTE=";
    let json = json!({ "active": "k1", "keys": [{ "kid": "k1", "secret": secret }] }).to_string();
    let keys = WebhookKeys::from_json(&json).expect("keys");
    (json, keys)
}

struct Notice<'a> {
    stack: &'a Stack,
    body: Value,
}

impl Notice<'_> {
    async fn send(&self, signed: Option<&str>) -> Answer {
        let call = Api::new(&self.stack.base_url).call(Method::POST, WEBHOOK);
        let call = match signed {
            Some(header) => call.header(signature::HEADER, header),
            None => call,
        };
        call.body(self.body.to_string()).send().await
    }

    fn sign(&self, at: Timestamp, nonce: &str) -> String {
        signature::sign(&keys().1, at, nonce, self.body.to_string().as_bytes())
    }
}

#[tokio::test]
async fn a_notice_is_checked_in_order_and_what_is_wrong_changes_nothing() {
    let hands = Hands::at("2026-12-01T11:53:00Z");
    let stack = silent(&hands).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let receipt = receipt(&player.pay("gold_pack_1000", 1, "tok_pending_ok", "pack").send().await);
    stack.engine().put_secret("casino-club/dev/payment-webhook-keys", &keys().0);
    // Seven minutes later the functions have fetched them.
    hands.set(NOON);
    let now: Timestamp = NOON.parse().expect("an instant");
    let body = json!({
        "event_id": "evt-1",
        "payment": { "id": "pay-1", "receipt": receipt, "player": player.id,
            "product": "gold_pack_1000", "amount_minor": 1200, "currency": "KRW",
            "status": "succeeded" },
        "created_at": NOON,
    });
    let notice = Notice { stack: &stack, body };

    notice.send(None).await.is_problem(401, "webhook_signature_missing");
    notice.send(Some("v1=abc")).await.is_problem(401, "webhook_signature_malformed");
    let good = notice.sign(now, "nonce-of-the-first");
    let stranger = good.replacen("kid=", "kid=x", 1);
    notice.send(Some(&stranger)).await.is_problem(401, "webhook_key_unknown");
    for at in [now - Duration::from_secs(301), now + Duration::from_secs(301)] {
        let header = notice.sign(at, "nonce-of-the-first");
        notice.send(Some(&header)).await.is_problem(401, "webhook_timestamp_out_of_range");
    }
    let forged = Notice { stack: &stack, body: json!({ "event_id": "evt-2" }) };
    forged.send(Some(&good)).await.is_problem(401, "webhook_signature_invalid");
    let unreadable = forged.sign(now, "nonce-of-the-second");
    forged.send(Some(&unreadable)).await.is_problem(422, "webhook_body_unreadable");
    for (field, other) in [
        ("amount_minor", json!(1199)),
        ("currency", json!("USD")),
        ("product", json!("gold_pack_12000")),
    ] {
        let mut other_payment = notice.body.clone();
        other_payment["payment"][field] = other;
        let other = Notice { stack: &stack, body: other_payment };
        let header = other.sign(now, &format!("nonce-about-the-{field}"));
        other.send(Some(&header)).await.is_problem(401, "payment_mismatch");
    }
    let mut unknown = notice.body.clone();
    unknown["payment"]["receipt"] = json!("0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a");
    let unknown = Notice { stack: &stack, body: unknown };
    let header = unknown.sign(now, "nonce-of-the-unknown");
    unknown.send(Some(&header)).await.is_problem(401, "payment_mismatch");
    assert_eq!(player.gold().await, 1000);
    assert_eq!(player.purchase(&receipt).await["status"], "pending");

    // None of them has used the event up.
    notice.send(Some(&good)).await.ok();
    assert_eq!(player.gold().await, 2000);
    notice.send(Some(&good)).await.is_problem(401, "webhook_nonce_reused");
    let signed_anew = notice.sign(now, "nonce-of-the-third");
    notice.send(Some(&signed_anew)).await.ok();
    // The same event with other stories.
    for (field, other) in [
        ("status", json!("refunded")),
        ("amount_minor", json!(1199)),
        ("receipt", json!("0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a")),
    ] {
        let mut reused = notice.body.clone();
        reused["payment"][field] = other;
        let reused = Notice { stack: &stack, body: reused };
        let header = reused.sign(now, &format!("nonce-of-another-{field}"));
        assert_eq!(reused.send(Some(&header)).await.ok(), json!({ "received": true }));
    }
    assert_eq!(player.gold().await, 2000);
    assert_eq!(player.purchase(&receipt).await["status"], "success");
}

#[tokio::test]
async fn gold_that_was_spent_before_a_refund_is_owed_and_repaid_first() {
    let stack = shop().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let receipt = receipt(&player.pay("gold_pack_1000", 1, "tok_ok", "pack").send().await);
    stands(&player, &receipt, "success").await;
    player.buy("lucky_cat_avatar", 1, "cat").send().await.ok();
    player.buy("lucky_cat_avatar", 1, "cat-2").send().await.ok();
    assert_eq!(player.gold().await, 400);

    let mut socket = player.socket().await;
    // What the state holds already is not pushed.
    socket.until("initial_state").await;
    stack.provider().refund(receipt.parse().expect("a receipt")).expect("it was paid");
    let refunded = |frame: &Value| frame["data"]["status"] == "refunded";
    assert_eq!(socket.until_frame(refunded).await["data"]["gold_balance"], 0);
    let balance = player.api.get("/api/users/balance").await.ok();
    assert_eq!((&balance["gold_balance"], &balance["debt_gold"]), (&json!(0), &json!(600)));

    let claimed = player.claim().await.ok();
    assert_eq!((&claimed["awarded"]["gold"], &claimed["new_balance"]), (&json!(1123), &json!(523)));
    let balance = player.api.get("/api/users/balance").await.ok();
    assert_eq!((&balance["gold_balance"], &balance["debt_gold"]), (&json!(523), &json!(0)));
}

#[tokio::test]
async fn who_tries_one_card_after_the_other_is_slowed_down() {
    let stack = shop().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for number in 0..3 {
        let token = format!("tok_stolen_{number}");
        let call = player.pay("gold_pack_1000", 1, &token, &format!("try-{number}"));
        let receipt = receipt(&call.send().await);
        stands(&player, &receipt, "failed").await;
    }
    let slowed = player.pay("gold_pack_1000", 1, "tok_stolen_3", "try-3").send().await;
    slowed.is_problem(429, "purchase_slowed");
    assert!(!slowed.header("retry-after").is_empty());
    assert_eq!(stack.provider().book().len(), 3, "nobody was asked for money");
    eventually("the decision is an event of the player's", || async {
        let journal = tests::books(&stack, &player).await;
        journal.iter().any(|entry| entry.fact.kind() == "fraud_decided")
    })
    .await;
}
