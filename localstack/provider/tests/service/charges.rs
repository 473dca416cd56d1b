use runtime::payments::{Charge, Order, Provider as _, ProviderError, Standing};

use crate::support::{API_KEY, IMPATIENCE, World, charge, declined, order, port, receipt};

fn refusal(error: &ProviderError) -> &str {
    match error {
        ProviderError::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_token_decides_what_becomes_of_a_charge() {
    for (token, first, later) in [
        ("tok_ok", Standing::Succeeded, Standing::Succeeded),
        ("tok_declined", declined("card_declined"), declined("card_declined")),
        ("tok_pending_ok", Standing::Pending, Standing::Succeeded),
        ("tok_pending_declined", Standing::Pending, declined("card_declined")),
        ("tok_duplicate", Standing::Succeeded, Standing::Succeeded),
        ("tok_out_of_order", Standing::Pending, Standing::Succeeded),
        ("tok_refund", Standing::Succeeded, Standing::Refunded),
        ("tok_chargeback", Standing::Succeeded, Standing::ChargedBack),
        ("tok_stolen", declined("invalid_token"), declined("invalid_token")),
        ("", declined("invalid_token"), declined("invalid_token")),
    ] {
        let world = World::start().await;
        let payment = world.charge(token).await;
        assert_eq!((payment.order, payment.standing), (order(), first), "{token}");
        world.advance().await;
        let payment = world.payments.look(order()).await.unwrap().unwrap();
        assert_eq!((payment.order, payment.standing), (order(), later), "{token}");
    }
}

#[tokio::test]
async fn the_same_receipt_gives_the_first_payment_again() {
    let world = World::start().await;
    let first = world.charge("tok_ok").await;
    assert_eq!(world.charge("tok_ok").await, first);
    assert_eq!(world.charge("tok_declined").await, first);
    let answers = at_once(&world, 50).await;
    assert!(answers.iter().all(|payment| *payment == first));
    assert_eq!(world.provider.book().len(), 1);
}

async fn at_once(world: &World, count: usize) -> Vec<runtime::payments::Payment> {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..count {
        let payments = world.payments.clone();
        all.spawn(async move { payments.charge(charge("tok_ok")).await.unwrap() });
    }
    all.join_all().await
}

#[tokio::test]
async fn a_receipt_is_of_one_order_only() {
    let world = World::start().await;
    world.charge("tok_ok").await;
    let other = Order { amount_minor: 1, ..order() };
    let cheaper = Charge { order: other.clone(), token: "tok_ok".into() };
    let error = world.payments.charge(cheaper).await.unwrap_err();
    assert_eq!(refusal(&error), "receipt_reused");
    assert!(!error.retryable() && error.without_effect());
    let error = world.payments.cancel(other).await.unwrap_err();
    assert_eq!(refusal(&error), "receipt_reused");
}

#[tokio::test]
async fn an_order_that_cannot_be_is_refused() {
    let world = World::start().await;
    for wrong in [
        Order { amount_minor: 0, ..order() },
        Order { amount_minor: -1, ..order() },
        Order { currency: "krw".to_owned(), ..order() },
        Order { currency: String::new(), ..order() },
        Order { product: String::new(), ..order() },
    ] {
        let charge = Charge { order: wrong.clone(), token: "tok_ok".into() };
        let error = world.payments.charge(charge).await.unwrap_err();
        assert_eq!(refusal(&error), "invalid_order");
        let error = world.payments.cancel(wrong).await.unwrap_err();
        assert_eq!(refusal(&error), "invalid_order");
    }
    assert!(world.provider.book().is_empty());
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_no_answer_and_looking_finds_out() {
    let world = World::start().await;
    let error = world.impatient().charge(charge("tok_timeout")).await.unwrap_err();
    assert!(matches!(error, ProviderError::TimedOut(after) if after == IMPATIENCE), "{error:?}");
    assert!(error.retryable() && !error.without_effect());
    let found = world.payments.look(order()).await.unwrap().unwrap();
    assert_eq!(found.standing, Standing::Succeeded);
    // Asked again, it answers.
    assert_eq!(world.charge("tok_timeout").await, found);
    world.advance().await;
    assert_eq!(world.told().await[0].payment.as_ref(), Some(&found));
}

#[tokio::test]
async fn nobody_has_heard_of_what_was_never_charged() {
    let world = World::start().await;
    assert_eq!(world.payments.look(order()).await.unwrap(), None);
    let error = world.payments.refund(order()).await.unwrap_err();
    assert_eq!(refusal(&error), "unknown_receipt");
}

#[tokio::test]
async fn a_payment_that_was_canceled_never_succeeds() {
    let world = World::start().await;
    world.charge("tok_pending_ok").await;
    assert_eq!(world.payments.cancel(order()).await.unwrap().standing, Standing::Canceled);
    assert_eq!(world.payments.cancel(order()).await.unwrap().standing, Standing::Canceled);
    world.advance().await;
    let found = world.payments.look(order()).await.unwrap().unwrap();
    assert_eq!(found.standing, Standing::Canceled);
    let history: Vec<_> =
        world.provider.book()[0].history.iter().map(|change| change.status.clone()).collect();
    assert_eq!(history, ["pending", "canceled"]);
}

#[tokio::test]
async fn a_charge_that_comes_after_its_cancellation_takes_nothing() {
    let world = World::start().await;
    assert_eq!(world.payments.cancel(order()).await.unwrap().standing, Standing::Canceled);
    assert_eq!(world.charge("tok_ok").await.standing, Standing::Canceled);
    world.advance().await;
    let found = world.payments.look(order()).await.unwrap().unwrap();
    assert_eq!(found.standing, Standing::Canceled);
    assert!(world.webhook.came().is_empty());
}

#[tokio::test]
async fn what_succeeded_cannot_be_canceled() {
    let world = World::start().await;
    let paid = world.charge("tok_ok").await;
    assert_eq!(world.payments.cancel(order()).await.unwrap(), paid);
    let world = World::start().await;
    let no = world.charge("tok_declined").await;
    assert_eq!(world.payments.cancel(order()).await.unwrap(), no);
}

#[tokio::test]
async fn only_what_succeeded_is_refunded_and_only_once() {
    let world = World::start().await;
    world.charge("tok_pending_ok").await;
    let error = world.payments.refund(order()).await.unwrap_err();
    assert_eq!(refusal(&error), "not_refundable");
    world.advance().await;
    let first = world.payments.refund(order()).await.unwrap();
    assert_eq!(first.standing, Standing::Refunded);
    assert_eq!(world.payments.refund(order()).await.unwrap(), first);
    assert_eq!(world.provider.book()[0].history.len(), 3);
    assert_eq!(world.provider.charge_back(receipt()).unwrap_err().code(), "not_chargeable");
}

#[tokio::test]
async fn a_bank_takes_back_what_was_paid() {
    let world = World::start().await;
    world.charge("tok_ok").await;
    assert_eq!(world.provider.charge_back(receipt()).unwrap().status, "charged_back");
    let error = world.payments.refund(order()).await.unwrap_err();
    assert_eq!(refusal(&error), "not_refundable");
}

#[tokio::test]
async fn answers_nobody_who_has_not_its_key() {
    let world = World::start().await;
    for key in ["hunter2", "key-hunter", "key-hunter22"] {
        let stranger = port(&world.provider.url, key, IMPATIENCE * 10);
        let error = stranger.charge(charge("tok_ok")).await.unwrap_err();
        assert_eq!(refusal(&error), "unauthenticated");
    }
    let http = reqwest::Client::new();
    for path in ["/v1/book", "/v1/notices", "/v1/payments/x", "/v1/nowhere"] {
        let url = format!("{}{path}", world.provider.url);
        assert_eq!(http.get(url).send().await.unwrap().status(), 401, "{path}");
    }
    assert!(world.provider.book().is_empty());
}

#[tokio::test]
async fn shows_its_book_and_lets_time_pass_over_http() {
    let world = World::start().await;
    world.charge("tok_pending_ok").await;
    let http = reqwest::Client::new();
    let url = |path: &str| format!("{}{path}", world.provider.url);
    let request = |request: reqwest::RequestBuilder| request.bearer_auth(API_KEY);
    let advance = request(http.post(url("/v1/advance"))).body(r#"{"millis":60000}"#);
    assert_eq!(advance.send().await.unwrap().status(), 200);
    let book: serde_json::Value =
        request(http.get(url("/v1/book"))).send().await.unwrap().json().await.unwrap();
    let entry = &book["payments"][0];
    assert_eq!(entry["receipt"], receipt().to_string());
    assert_eq!((&entry["amount_minor"], &entry["currency"]), (&4_900.into(), &"KRW".into()));
    assert_eq!(entry["status"], "succeeded");
    assert_eq!(entry["history"][1]["status"], "succeeded");
    let notices: serde_json::Value =
        request(http.get(url("/v1/notices"))).send().await.unwrap().json().await.unwrap();
    assert_eq!(notices["notices"][1]["attempts"][0]["status"], 200);
    let back = request(http.post(url(&format!("/v1/payments/{}/chargeback", receipt()))));
    assert_eq!(back.send().await.unwrap().status(), 200);
    for body in ["", "{}", r#"{"millis":-1}"#, r#"{"millis":1,"more":1}"#] {
        let advance = request(http.post(url("/v1/advance"))).body(body);
        assert_eq!(advance.send().await.unwrap().status(), 422, "{body}");
    }
}
