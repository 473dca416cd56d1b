//! Limited packages: offered, bought, held, given back.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::{
    Api, Hands, Player,
    shop::{offer, operator, package, prompt_payments, receipt, shop, stands, stock},
    stack_with,
};

const PACKAGES: &str = "/api/admin/limited-packages";

async fn shown(player: &Player, code: &str) -> Value {
    let listed = player.api.get("/api/shop/limited").await.ok();
    let items = listed["items"].as_array().expect("items").clone();
    items.into_iter().find(|item| item["code"] == code).expect("it is listed")
}

#[tokio::test]
async fn a_package_is_held_while_money_is_pending_and_sold_when_it_comes() {
    let stack = shop().await;
    let operator = operator(&stack).await;
    offer(&operator, &package("box", 10, 3, 2)).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let before = shown(&player, "box").await;
    assert_eq!((&before["remaining"], &before["bought"]), (&json!(10), &json!(0)));
    assert_eq!(before["price_money"], json!({ "amount_minor": 9900, "currency": "KRW" }));

    let answer = player.pay_limited("box", 2, "tok_pending_ok", "two").send().await;
    assert_eq!((answer.status, &answer.ok()["status"]), (StatusCode::ACCEPTED, &json!("pending")));
    stands(&player, &receipt(&answer), "success").await;
    assert_eq!(player.gold().await, 1000 + 2 * 2000);
    assert_eq!(stock(&stack, "box").await, [8, 0, 2]);
    let after = shown(&player, "box").await;
    assert_eq!((&after["remaining"], &after["bought"]), (&json!(8), &json!(2)));
    let more = player.pay_limited("box", 1, "tok_ok", "more").send().await;
    assert_eq!(more.is_problem(422, "purchase_cap_reached")["per_user_cap"], 2);

    let other = Player::sign_up(&Api::new(&stack.base_url)).await;
    let declined = receipt(&other.pay_limited("box", 2, "tok_declined", "no").send().await);
    stands(&other, &declined, "failed").await;
    assert_eq!(stock(&stack, "box").await, [8, 0, 2]);
    // The declined ones do not count against the cap.
    let paid = receipt(&other.pay_limited("box", 2, "tok_ok", "yes").send().await);
    stands(&other, &paid, "success").await;
    assert_eq!(stock(&stack, "box").await, [6, 0, 4]);
}

#[tokio::test]
async fn a_hold_that_nobody_pays_for_comes_back() {
    let hands = Hands::at("2026-12-01T12:00:00Z");
    let options = devstack::Options { payment_pace: provider::Pace::Driven, ..hands.options() };
    let stack = stack_with(prompt_payments(options)).await;
    let maker = tests::Maker::new(&stack, hands.options().clock).await;
    let operator = maker.player(domain::Role::Operator).await;
    let mut package = package("box", 5, 2, 5);
    package["starts_at"] = json!("2026-12-01T00:00:00Z");
    package["ends_at"] = json!("2026-12-02T00:00:00Z");
    offer(&operator, &package).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let held = receipt(&player.pay_limited("box", 5, "tok_pending_ok", "all").send().await);
    assert_eq!(stock(&stack, "box").await, [0, 5, 0]);
    let other = maker.player(domain::Role::Standard).await;
    other.pay_limited("box", 1, "tok_ok", "late").send().await.is_problem(409, "sold_out");

    hands.set("2026-12-01T12:10:01Z");
    for finished in [1, 0] {
        let report = stack.run_now("pending-cleanup").await.expect("it runs");
        assert_eq!(report["finished"], finished);
        assert_eq!(stock(&stack, "box").await, [5, 0, 0]);
    }
    assert_eq!(player.purchase(&held).await["status"], "expired");
}

#[tokio::test]
async fn a_promo_code_is_used_as_often_as_it_says_and_given_back_with_the_hold() {
    let stack = shop().await;
    let operator = operator(&stack).await;
    let mut package = package("box", 10, 1, 9);
    package["price"] = json!({ "gold": 500 });
    package["grants"] = json!({ "streak_protection": 1 });
    offer(&operator, &package).await;
    let promo = json!({
        "code": "EARLY", "price": { "gold": 100 }, "uses": 1,
        "ends_at": package["ends_at"], "reason": "a test",
    });
    let path = "/api/admin/limited-packages/box/promo-codes";
    let issued = operator.api.post(path, &promo).key("promo").send().await;
    assert_eq!(issued.status, 201, "{}", issued.text);
    let again = operator.api.post(path, &promo).key("promo-2").send().await;
    again.is_problem(409, "promo_code_exists");
    let mut second = promo.clone();
    second["code"] = json!("SECOND");
    let keyless = operator.api.post(path, &second).send().await;
    assert_eq!(keyless.status, 201, "{}", keyless.text);
    let mut unlike = promo.clone();
    unlike["code"] = json!("OTHER");
    unlike["price"] = json!({ "money": { "amount_minor": 1, "currency": "KRW" } });
    let unlike = operator.api.post(path, &unlike).key("promo-3").send().await;
    unlike.is_problem(422, "validation_failed");

    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let buy = |promo: &str, key: &str| {
        let body = json!({ "code": "box", "quantity": 1, "promo_code": promo });
        player.api.post("/api/shop/limited/buy", &body).key(key)
    };
    buy("WRONG", "a").send().await.is_problem(422, "invalid_promo_code");
    let bought = buy("EARLY", "b").send().await.ok();
    assert_eq!((&bought["price_gold"], &bought["gold_balance"]), (&json!(100), &json!(900)));
    assert_eq!(bought["granted"], json!({ "streak_protection": 1 }));
    buy("EARLY", "c").send().await.is_problem(422, "invalid_promo_code");
    assert_eq!(player.gold().await, 900);
    assert_eq!(stock(&stack, "box").await, [9, 0, 1]);
}

#[tokio::test]
async fn only_operators_offer_and_only_what_makes_sense() {
    let stack = shop().await;
    let operator = operator(&stack).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let good = package("box", 10, 3, 2);
    player.api.post(PACKAGES, &good).key("a").send().await.is_problem(403, "forbidden");
    for (pointer, value) in [
        ("/ends_at", json!("2020-01-01T00:00:00Z")),
        ("/price", json!({})),
        ("/price", json!({ "gold": 1, "money": { "amount_minor": 1, "currency": "KRW" } })),
        ("/stock", json!(0)),
        ("/per_user_cap", json!(-1)),
        ("/code", json!("a b")),
        ("/grants", json!({ "Gold": 1 })),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).expect("it is there") = value;
        let answer = operator.api.post(PACKAGES, &wrong).key("b").send().await;
        answer.is_problem(422, "validation_failed");
    }
    offer(&operator, &good).await;
    let again = operator.api.post(PACKAGES, &good).key("c").send().await;
    again.is_problem(409, "limited_package_exists");
    let another = package("another", 10, 3, 2);
    let keyless = || operator.api.post(PACKAGES, &another).send();
    assert_eq!(keyless().await.status, 201);
    keyless().await.is_problem(409, "limited_package_exists");
    player
        .pay_limited("none", 1, "tok_ok", "d")
        .send()
        .await
        .is_problem(404, "limited_package_not_found");
    let body = json!({ "code": "box", "quantity": 1 });
    let unpaid = player.api.post("/api/shop/limited/buy", &body).key("e").send().await;
    unpaid.is_problem(422, "payment_token_required");
    let mut later = package("later", 10, 3, 2);
    later["starts_at"] = json!("2099-01-01T00:00:00Z");
    later["ends_at"] = json!("2099-01-02T00:00:00Z");
    offer(&operator, &later).await;
    player.pay_limited("later", 1, "tok_ok", "f").send().await.is_problem(422, "sale_not_open");
    let mut over = package("over", 10, 3, 2);
    over["starts_at"] = json!("2020-01-01T00:00:00Z");
    over["ends_at"] = json!("2020-01-02T00:00:00Z");
    offer(&operator, &over).await;
    player.pay_limited("over", 1, "tok_ok", "g").send().await.is_problem(422, "sale_over");
}
