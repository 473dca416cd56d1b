//! `/api/auth/email`, and the mails that follow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use devstack::{
    Options, Stack,
    engine::{Call, Fault, Service, Verdict},
};
use domain::PlayerId;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use store::{Claimed, MailProgress};
use tests::{
    Api, DEADLINE, Hands, Mailbox, PASSWORD, Player, Table, Target, fresh_name, stack, stack_with,
};

use crate::account::whole_table;

const NEW: &str = "another-horse-9";

fn address(player: &Player) -> String {
    format!("{}@mail.example", player.site_id)
}

/// A stack, its mailbox, and a player with an address that was confirmed.
async fn reachable() -> (Stack, Mailbox, Player, String) {
    let stack = stack().await;
    let mailbox = Mailbox::of(&stack);
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let address = address(&player);
    mailbox.confirm(&player, &address).await;
    (stack, mailbox, player, address)
}

#[tokio::test]
async fn an_address_is_given_confirmed_and_written_to() {
    let stack = stack().await;
    let mailbox = Mailbox::of(&stack);
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let address = address(&player);
    let pending = player.give_email(&address, PASSWORD).send().await;
    assert_eq!(pending.ok()["status"], "pending");
    assert!(!pending.text.contains(&address), "the answer is kept with the entry");
    let export = player.api.get("/api/auth/export").await.ok();
    assert_eq!(export["pending_email"]["address"], address);
    assert_eq!(export["pending_email"]["confirm_until"], pending.ok()["confirm_until"]);
    assert!(export.get("email").is_none());

    let mail = mailbox.newest(&address, 1).await;
    assert_eq!(mail["from"], "no-reply@casino-club.example");
    let token = mailbox.token(&address, 1).await;
    let confirmed = player.confirm_email(&token).send().await;
    assert_eq!(confirmed.ok(), json!({ "status": "confirmed" }));
    let export = player.api.get("/api/auth/export").await.ok();
    assert_eq!(export["email"]["address"], address);
    assert!(export.get("pending_email").is_none());

    player.change_password(PASSWORD, NEW).send().await.ok();
    let notice = mailbox.newest(&address, 2).await;
    let subject = notice["subject"].as_str().expect("a subject");
    assert!(subject.contains("비밀번호") && subject.contains("password"), "{subject}");
    let [text, html] = ["text", "html"].map(|part| notice[part].to_string());
    assert!(![text, html].concat().contains(&player.nickname), "{notice}");
}

#[tokio::test]
async fn a_login_from_another_device_is_told_once() {
    let (stack, mailbox, player, address) = reachable().await;
    let log_in = |agent: &'static str| player.try_password(PASSWORD).header("user-agent", agent);
    log_in("Firefox/1.0 (Windows)").send().await.ok();
    let notice = mailbox.newest(&address, 2).await;
    assert!(notice["subject"].as_str().is_some_and(|text| text.contains("New sign-in")));
    // An update of it, and the device of the signup.
    log_in("Firefox/2.0 (Windows)").send().await.ok();
    player.log_in().await;
    // By its own name, whatever the browser says.
    let named = |agent| log_in(agent).header("x-device-fingerprint", "my-phone");
    named("Firefox/1.0 (Windows)").send().await.ok();
    mailbox.newest(&address, 3).await;
    named("Chrome/1.0 (Linux)").send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    assert_eq!(mailbox.to(&address).await.len(), 3);
    // A wrong password is no login.
    let wrong = player.try_password("wrong-horse-9").header("user-agent", "Curl");
    wrong.send().await.is_problem(401, "invalid_credentials");
    // And another password makes no device a new one.
    player.change_password(PASSWORD, NEW).send().await.ok();
    mailbox.newest(&address, 4).await;
    player.try_password(NEW).header("user-agent", "Firefox/3.0 (Windows)").send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    assert_eq!(mailbox.to(&address).await.len(), 4);
}

#[tokio::test]
async fn who_has_no_address_is_not_written_to() {
    let stack = stack().await;
    let mailbox = Mailbox::of(&stack);
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    player.give_email(&address(&player), PASSWORD).send().await.ok();
    // It waits, and waiting it gets its own confirmation only.
    mailbox.newest(&address(&player), 1).await;
    player.change_password(PASSWORD, NEW).send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    assert_eq!(mailbox.to(&address(&player)).await.len(), 1);
}

#[tokio::test]
async fn a_token_is_good_for_its_player_and_the_address_that_waits() {
    let stack = stack().await;
    let mailbox = Mailbox::of(&stack);
    let api = Api::new(&stack.base_url);
    let (player, stranger) = (Player::sign_up(&api).await, Player::sign_up(&api).await);
    let (first, second) = (address(&player), format!("second-{}", address(&player)));
    player.give_email(&first, PASSWORD).send().await.ok();
    stranger.give_email(&first, PASSWORD).send().await.ok();
    mailbox.newest(&first, 2).await;
    let tokens: Vec<String> = mailbox.to(&first).await.iter().map(token_of).collect();
    let mut refused = Vec::new();
    for token in &tokens {
        if player.confirm_email(token).send().await.status == 422 {
            refused.push(token);
        }
    }
    assert_eq!(refused.len(), 1, "the other one's mail proves nothing");

    // A token that the player has been sent, of an address that no longer waits.
    player.give_email(&second, PASSWORD).send().await.ok();
    let old = mailbox.token(&second, 1).await;
    player.give_email(&second, PASSWORD).send().await.ok();
    let new = mailbox.token(&second, 2).await;
    let problem = player.confirm_email(&old).send().await;
    let problem = problem.is_problem(422, "email_token_invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/token");
    let confirmed = player.confirm_email(&new).send().await;
    assert!(!confirmed.is_replayed());
    // Once more it changes nothing and is answered the same.
    let again = player.confirm_email(&new).send().await;
    assert_eq!((again.is_replayed(), again.text), (true, confirmed.text));
    for nonsense in ["x", "1.x", "", &new[1..], &format!("{new}A")] {
        assert_eq!(player.confirm_email(nonsense).send().await.status, 422, "{nonsense}");
    }
    player.remove_email().send().await.ok();
    player.confirm_email(&new).send().await.is_problem(422, "email_token_invalid");
}

fn token_of(mail: &Value) -> String {
    mail["text"].as_str().and_then(|text| text.split("\n\n").nth(1)).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_address_waits_for_a_day() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let mailbox = Mailbox::of(&stack);
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let address = address(&player);
    let pending = player.give_email(&address, PASSWORD).send().await.ok();
    assert_eq!(pending["confirm_until"], "2026-12-02T09:00:00Z");
    let token = mailbox.token(&address, 1).await;
    hands.set("2026-12-02T09:00:00Z");
    let player = player.log_in().await;
    player.confirm_email(&token).send().await.is_problem(422, "email_token_invalid");
}

#[tokio::test]
async fn an_address_needs_the_password_and_guesses_lock() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let address = address(&player);
    for _ in 0..5 {
        let wrong = player.give_email(&address, "wrong-horse-9").send().await;
        let problem = wrong.is_problem(422, "wrong_password");
        assert_eq!(problem["errors"][0]["pointer"], "/password");
    }
    player.give_email(&address, PASSWORD).send().await.is_problem(429, "login_locked");
    // One password, one lock: the change of it is no way around.
    player.change_password(PASSWORD, NEW).send().await.is_problem(429, "login_locked");
    let export = player.api.get("/api/auth/export").await.ok();
    assert!(export.get("pending_email").is_none());
}

#[tokio::test]
async fn nobody_is_pestered_with_confirmations() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let address = address(&player);
    for _ in 0..5 {
        player.give_email(&address, PASSWORD).send().await.ok();
    }
    let refused = player.give_email(&address, PASSWORD).send().await;
    refused.is_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "720");
    // What else concerns the account goes on.
    player.remove_email().send().await.ok();
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let target = Target::start().await;
    let player = target.player().await;
    for wrong in ["", "nobody", "a@b", "a b@c.example", "a@b.example\r\nBcc: c@d.example"] {
        let answer = player.give_email(wrong, PASSWORD).send().await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/email", "{wrong}");
    }
    for (method, path) in [
        (Method::PUT, "/api/auth/email"),
        (Method::DELETE, "/api/auth/email"),
        (Method::POST, "/api/auth/email/confirm"),
    ] {
        let body = json!({ "email": "a@b.example", "password": PASSWORD, "token": "1.x" });
        let answer = target.api().call(method, path).body(body.to_string()).send().await;
        answer.is_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_request_sent_again_with_its_key_is_answered_again_and_mailed_once() {
    let stack = stack().await;
    let mailbox = Mailbox::of(&stack);
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let (address, key) = (address(&player), fresh_name());
    let first = player.give_email(&address, PASSWORD).key(&key).send().await;
    let again = player.give_email(&address, PASSWORD).key(&key).send().await;
    assert_eq!((first.is_replayed(), again.is_replayed()), (false, true));
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));
    let other = player.give_email("other@mail.example", PASSWORD).key(&key).send().await;
    other.is_problem(409, "idempotency_key_reused");
    stack.settled(DEADLINE).await.expect("settles");
    assert_eq!(mailbox.to(&address).await.len(), 1);
}

#[tokio::test]
async fn the_erased_leave_no_address_behind_and_are_not_written_to() {
    let (stack, mailbox, player, confirmed) = reachable().await;
    let waiting = format!("waiting-{confirmed}");
    player.give_email(&waiting, PASSWORD).send().await.ok();
    mailbox.newest(&waiting, 1).await;
    player.try_password(PASSWORD).header("user-agent", "Firefox").send().await.ok();
    mailbox.newest(&confirmed, 2).await;
    let known = async || {
        let items = whole_table(&stack).await;
        items.iter().filter(|item| item.to_string().contains("@mail.example")).count()
    };
    assert_eq!(known().await, 2, "each in an item of its own, and nowhere else");

    player.api.call(Method::DELETE, "/api/auth/me").send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    assert_eq!(known().await, 0);
    assert_eq!(mailbox.to(&confirmed).await.len(), 2);
}

#[tokio::test]
async fn a_removed_address_is_forgotten_and_removing_again_changes_nothing() {
    let (stack, mailbox, player, address) = reachable().await;
    for _ in ["first", "again"] {
        let removed = player.remove_email().send().await;
        assert_eq!(removed.ok(), json!({ "status": "removed" }));
    }
    let export = player.api.get("/api/auth/export").await.ok();
    assert!(export.get("email").is_none());
    let entries = export["journal"]["entries"].as_array().expect("entries").iter();
    let changes: Vec<_> = entries.filter_map(|entry| entry["fact"]["change"].as_str()).collect();
    assert_eq!(changes, ["requested", "confirmed", "removed"]);
    player.change_password(PASSWORD, NEW).send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    assert_eq!(mailbox.to(&address).await.len(), 1, "the confirmation of before");
}

/// SES answers so many calls with a fault, before or after it has accepted the mail.
#[derive(Debug)]
struct Failing {
    most: usize,
    so_far: AtomicUsize,
    accepted: bool,
}

impl Failing {
    fn verdict(&self, call: &Call<'_>) -> Verdict {
        let failing =
            call.service == Service::Ses && self.so_far.fetch_add(1, Ordering::SeqCst) < self.most;
        match failing {
            true if self.accepted => Verdict::Disconnect,
            true => Verdict::Throttle,
            false => Verdict::Pass,
        }
    }
}

impl Fault for Failing {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if self.accepted { Verdict::Pass } else { self.verdict(call) }
    }

    fn after(&self, call: &Call<'_>, _: u16) -> Verdict {
        if self.accepted { self.verdict(call) } else { Verdict::Pass }
    }
}

#[tokio::test]
async fn a_mail_that_ses_does_not_take_comes_later_and_once() {
    let (stack, mailbox, player, address) = reachable().await;
    let fault = Failing { most: 3, so_far: 0.into(), accepted: false };
    stack.engine().set_fault(Some(Arc::new(fault)));
    player.change_password(PASSWORD, NEW).send().await.ok();
    mailbox.newest(&address, 2).await;
    stack.settled(DEADLINE).await.expect("settles");
    assert_eq!(mailbox.to(&address).await.len(), 2);
}

#[tokio::test]
async fn a_mail_whose_fate_nobody_heard_is_rather_sent_twice() {
    let (stack, mailbox, player, address) = reachable().await;
    let fault = Failing { most: 1, so_far: 0.into(), accepted: true };
    stack.engine().set_fault(Some(Arc::new(fault)));
    player.change_password(PASSWORD, NEW).send().await.ok();
    mailbox.newest(&address, 3).await;
}

/// An event as the stream brings it.
fn record(player: &Player, seq: u64, event_type: &str, payload: &Value) -> Value {
    let envelope = json!({
        "event_type": event_type, "user_id": player.id, "ts": "2026-12-01T09:00:00Z",
        "trace_id": "t", "version": 1, "seq": seq, "payload": payload,
    });
    kinesis(envelope.to_string().as_bytes(), seq)
}

fn kinesis(data: &[u8], number: u64) -> Value {
    json!({
        "eventID": format!("shardId-000000000000:{number}"), "eventName": "aws:kinesis:record",
        "kinesis": {
            "data": BASE64_STANDARD.encode(data), "partitionKey": "p",
            "sequenceNumber": number.to_string(), "kinesisSchemaVersion": "1.0",
            "approximateArrivalTimestamp": 1.5,
        },
    })
}

#[tokio::test]
async fn an_event_that_comes_twice_is_mailed_once_and_what_is_none_is_skipped() {
    let (stack, mailbox, player, address) = reachable().await;
    let purchase = json!({ "receipt": "r-1", "product_id": "gold_1000", "quantity": 1,
                           "amount_minor": 1100, "currency": "KRW", "gold": 1000 });
    let receipt = record(&player, 100, "shop.purchase.succeeded", &purchase);
    let for_gold = json!({ "receipt": "r-2", "product_id": "neon_frame", "price_gold": 300 });
    let event = json!({ "Records": [
        kinesis(b"\x00\xff not an event", 1),
        receipt,
        record(&player, 101, "shop.purchase.succeeded", &for_gold),
        receipt,
    ]});
    for _ in ["first", "again"] {
        let answer = stack.invoke("MailSendFunction", event.clone()).await.expect("an answer");
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }
    let mail = mailbox.newest(&address, 2).await;
    let text = mail["text"].as_str().expect("a text");
    for fact in ["r-1", "gold_1000", "1100 KRW", "1000"] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_set_aside_and_holds_up_nobody() {
    let parameters = [("EventStreamShards".to_owned(), "1".to_owned())].into();
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(Options { parameters, ..hands.options() }).await;
    let (mailbox, table) = (Mailbox::of(&stack), Table::of(&stack));
    let api = Api::new(&stack.base_url);
    let (poor, other) = (Player::sign_up(&api).await, Player::sign_up(&api).await);
    for player in [&poor, &other] {
        mailbox.confirm(player, &address(player)).await;
    }
    let pk = format!("PLAYER#{}", poor.id);
    let mut item = table.item(&pk, "AUTH#EMAIL").await;
    item["confirm_until"] = json!({ "S": "from the future" });
    table.put(vec![item]).await;

    for player in [&poor, &other] {
        player.change_password(PASSWORD, NEW).send().await.ok();
    }

    // A newer build may be on its way that can read it.
    hands.set("2026-12-01T09:01:59Z");
    stack.settled(Duration::from_secs(1)).await.expect_err("it waits");
    assert_eq!(mailbox.to(&address(&other)).await.len(), 1);
    hands.set("2026-12-01T09:02:00Z");
    mailbox.newest(&address(&other), 2).await;
    assert_eq!(mailbox.to(&address(&poor)).await.len(), 1);
    let sqs = aws_sdk_sqs::Client::new(&stack.engine().sdk_config());
    let queue = &stack.spec().functions["MailSendFunction"].env["FAILURE_QUEUE_URL"];
    let aside = sqs.receive_message().queue_url(queue).send().await.expect("answers");
    let [aside] = aside.messages() else { panic!("{aside:?}") };
    let body = aside.body().expect("a body");
    let told: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!([&told["reason"], &told["user_id"]], ["unreadable_item", &poor.id]);
    assert!(!body.contains(&address(&poor)));
}

#[tokio::test]
async fn the_page_of_the_mailbox_shows_what_was_sent() {
    let (stack, _, _, address) = reachable().await;
    let page = Api::new(&stack.base_url).get("/_local/mailbox").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text.contains(&address), "{}", page.text);
}

#[tokio::test]
async fn a_mail_is_one_senders_until_they_are_given_up() {
    let stack = stack().await;
    let (store, player) = (stack.store("test"), PlayerId::from_bytes([7; 16]));
    let claim = async |second: i64| {
        let now = Timestamp::from_second(1_795_000_000 + second).expect("an instant");
        store.claim_mail(player, 1, now).await.expect("an answer")
    };
    let Claimed::Yours(first) = claim(0).await else { panic!("nobody else is at it") };
    assert_eq!(claim(119).await, Claimed::Busy);
    let Claimed::Yours(second) = claim(120).await else { panic!("the first is given up") };
    // What the first says after all disturbs nobody.
    store.finish_mail(first, MailProgress::Unsent).await.expect("an answer");
    assert_eq!(claim(121).await, Claimed::Busy);
    store.finish_mail(second, MailProgress::Unsent).await.expect("an answer");
    let Claimed::Yours(third) = claim(122).await else { panic!("it is to be sent again") };
    store.finish_mail(third, MailProgress::Done).await.expect("an answer");
    assert_eq!(claim(9_999).await, Claimed::Done);
}
