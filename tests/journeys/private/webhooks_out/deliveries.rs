//! Receivers are told of what happens: once, signed, and again if they fail.

use domain::Role;
use runtime::Clock;
use serde_json::{Value, json};
use tests::{
    Hands, Heard,
    Reaction::{Silence, Status},
    eventually,
};

use super::{World, change, receiver};

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_of_what_it_subscribes_to_signed_and_once() {
    let world = World::new().await;
    let (all, streaks) = (receiver(&[Status(200)]).await, receiver(&[Status(204)]).await);
    let (everything, _) = world.register(&all, &["*"]).await;
    let (endpoint, secret) = world.register(&streaks, &["streak.claim", "shop.*"]).await;
    let claim = world.player.claim().await.ok();
    world.player.spin(1, "spin").send().await.ok();
    world.settled().await;

    let heard = streaks.hears(1).await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    let Heard { path, .. } = &heard[0];
    assert_eq!(
        (path.as_str(), heard[0].header("content-type")),
        ("/hook?tenant=1", "application/json")
    );
    assert_eq!(heard[0].signed_by(&secret), Some(0));
    let sent_at: i64 = heard[0].header("webhook-timestamp").parse().expect("seconds");
    assert!((Clock::system().now().as_second() - sent_at).abs() < 60);
    let body = heard[0].json();
    assert_eq!(body["type"], "streak.claim");
    assert_eq!(body["timestamp"], claim["claimed_at"]);
    assert_eq!(body["data"]["user_id"], world.player.id);
    assert_eq!(body["data"]["payload"]["gold"], claim["awarded"]["gold"]);

    let delivered = world.deliveries(&endpoint, "").await;
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0]["id"], heard[0].header("webhook-id"));
    assert_eq!(
        (&delivered[0]["status"], &delivered[0]["attempts"], &delivered[0]["last_result"]),
        (&json!("delivered"), &json!(1), &json!("status 204"))
    );
    // The other one heard of it, too, under an id of its own, and of everything else,
    // the second registration included.
    let types =
        |heard: &[Heard]| heard.iter().map(|of| of.json()["type"].clone()).collect::<Vec<_>>();
    let others = all.hears(4).await;
    for kind in ["streak.claim", "game.round.settled", "admin.action"] {
        assert!(types(&others).contains(&json!(kind)), "{others:?}");
    }
    assert!(others.iter().all(|of| of.header("webhook-id") != heard[0].header("webhook-id")));
    assert!(others.iter().all(|of| of.signed_by(&secret).is_none()), "secrets are each one's own");
    assert_eq!(world.deliveries(&everything, "&status=delivered").await.len(), others.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again_under_the_same_id_until_it_arrives() {
    let world = World::new().await;
    let flaky = receiver(&[Status(503), Status(302), Status(200)]).await;
    let (endpoint, secret) = world.register(&flaky, &["streak.claim"]).await;
    world.player.claim().await.ok();
    let delivered = world.becomes(&endpoint, "delivered").await;
    world.settled().await;
    let heard = flaky.heard();
    assert_eq!((heard.len(), &delivered["attempts"]), (3, &json!(3)));
    for of in &heard {
        assert_eq!(of.header("webhook-id"), delivered["id"]);
        assert_eq!((&of.body, of.signed_by(&secret)), (&heard[0].body, Some(0)));
    }
    world.replay(&delivered, "again").await.is_problem(409, "webhook_delivery_not_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_six_attempts_it_has_failed_and_an_operator_may_replay_it() {
    let world = World::new().await;
    let down = receiver(&[[Status(500); 6].as_slice(), &[Status(200)]].concat()).await;
    let (endpoint, secret) = world.register(&down, &["streak.claim"]).await;
    world.player.claim().await.ok();
    let failed = world.becomes(&endpoint, "failed").await;
    world.settled().await;
    assert_eq!(down.heard().len(), 6);
    assert_eq!((&failed["attempts"], &failed["last_result"]), (&json!(6), &json!("status 500")));
    assert_eq!(failed["next_attempt_at"], Value::Null);
    assert_eq!(world.deliveries(&endpoint, "&status=failed").await, std::slice::from_ref(&failed));
    assert!(world.deliveries(&endpoint, "&status=delivered").await.is_empty());

    let replayed = world.replay(&failed, "replay").await;
    assert_eq!((replayed.status.as_u16(), &replayed.ok()["status"]), (202, &json!("pending")));
    let delivered = world.becomes(&endpoint, "delivered").await;
    world.settled().await;
    let heard = down.heard();
    assert_eq!((heard.len(), &delivered["id"]), (7, &failed["id"]));
    assert_eq!(heard[6].header("webhook-id"), failed["id"]);
    assert_eq!((&heard[6].body, heard[6].signed_by(&secret)), (&heard[0].body, Some(0)));
    assert!(world.deliveries(&endpoint, "&status=failed").await.is_empty());

    let again = world.replay(&failed, "replay").await;
    assert_eq!((again.is_replayed(), &again.text), (true, &replayed.text));
    world.replay(&failed, "another").await.is_problem(409, "webhook_delivery_not_failed");
    for unknown in [format!("msg_{}", "A".repeat(43)), "msg_x".to_owned()] {
        let answer = world.replay(&json!({ "id": unknown }), &unknown).await;
        answer.is_problem(404, "webhook_delivery_not_found");
    }
    world.settled().await;
    assert_eq!(down.heard().len(), 7, "what has arrived is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_arrived_is_not_sent_again_however_often_its_event_and_message_come() {
    let world = World::new().await;
    let once = receiver(&[Status(200)]).await;
    let (endpoint, _) = world.register(&once, &["streak.claim"]).await;
    world.player.claim().await.ok();
    let delivered = world.becomes(&endpoint, "delivered").await;
    let store = world.stack.store("test");
    let id = world.player.id.parse().expect("an id");
    let entries = store.entries_after(id, 1, 1).await.expect("the claim");
    let data = serde_json::to_vec(&domain::envelope(&entries[0])).expect("JSON");
    let record = json!({ "Records": [{
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": world.player.id, "sequenceNumber": "1",
            "data": base64(&data), "approximateArrivalTimestamp": 1_795_235_407.123,
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": "s:1",
        "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn", "awsRegion": "us-east-1",
        "eventSourceARN": "arn",
    }]});
    let message = json!({ "Records": [{
        "messageId": "m", "receiptHandle": "r", "attributes": {}, "messageAttributes": {},
        "body": json!({ "delivery": delivered["id"] }).to_string(), "md5OfBody": "",
        "eventSource": "aws:sqs", "eventSourceARN": "arn", "awsRegion": "us-east-1",
    }]});
    for (function, event) in
        [("WebhookFanoutFunction", record), ("WebhookDeliverFunction", message)]
    {
        let answer = world.stack.invoke(function, event).await.expect("an answer");
        assert_eq!(answer, json!({ "batchItemFailures": [] }), "{function}");
    }
    world.settled().await;
    assert_eq!(once.heard().len(), 1);
    assert_eq!(world.deliveries(&endpoint, "").await, [delivered]);
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_that_it_is_gone_gets_nothing_more() {
    let world = World::new().await;
    let gone = receiver(&[Status(410), Status(200)]).await;
    let (endpoint, _) = world.register(&gone, &["*"]).await;
    world.player.claim().await.ok();
    eventually("it is deactivated", || async {
        world.endpoint(&endpoint).await["active"] == json!(false)
    })
    .await;
    world.settled().await;
    let before = gone.heard().len();
    world.player.spin(1, "spin").send().await.ok();
    world.settled().await;
    assert_eq!(gone.heard().len(), before);
    assert_eq!(world.endpoint(&endpoint).await["gone"], true);
    let failed = world.deliveries(&endpoint, "&status=failed").await;
    assert!(failed.iter().any(|of| of["last_result"] == "status 410"), "{failed:?}");

    // Until an operator sees to it.
    change(&world.operator, &endpoint, json!({ "active": true })).await.ok();
    world.player.spin(1, "another").send().await.ok();
    gone.hears(before + 1).await;
    assert_eq!(world.endpoint(&endpoint).await["gone"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_nothing_delays_no_other() {
    let world = World::new().await;
    let (silent, quick) = (receiver(&[Silence]).await, receiver(&[Status(200)]).await);
    let (waiting, _) = world.register(&silent, &["game.*"]).await;
    let (endpoint, _) = world.register(&quick, &["game.*"]).await;
    for spin in 0..5 {
        world.player.spin(1, &format!("spin-{spin}")).send().await.ok();
    }
    quick.hears(5).await;
    let delivered = || async { world.deliveries(&endpoint, "&status=delivered").await.len() };
    eventually("all are delivered", || async { delivered().await == 5 }).await;
    let still = world.deliveries(&waiting, "&status=pending").await;
    assert_eq!(still.len(), 5, "it says nothing for longer than that takes");
    assert!(!silent.heard().is_empty());
    // Nobody waits for the rest of this.
    change(&world.operator, &waiting, json!({ "active": false })).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_signs_beside_the_new_one_for_a_day() {
    let hands = Hands::at("2026-12-01T12:00:00Z");
    let world = World::with(hands.options(), &[("WebhookFirstRetrySeconds", "0")]).await;
    let both = receiver(&[Status(200)]).await;
    let (endpoint, first) = world.register(&both, &["game.*"]).await;
    let path = format!("/api/admin/webhooks/endpoints/{endpoint}/rotate-secret");
    let rotate =
        || world.operator.api.post(&path, &json!({ "reason": "a test" })).key("rotate").send();
    let rotated = rotate().await;
    let second = rotated.ok()["secret"].as_str().expect("a secret").to_owned();
    assert_ne!(first, second);
    assert_eq!(rotated.json()["endpoint"]["previous_secret_until"], "2026-12-02T12:00:00Z");
    let again = rotate().await;
    assert_eq!((again.is_replayed(), &again.text), (true, &rotated.text));
    world.player.spin(1, "one").send().await.ok();
    let heard = both.hears(1).await;
    assert_eq!((heard[0].signed_by(&second), heard[0].signed_by(&first)), (Some(0), Some(1)));

    hands.set("2026-12-02T12:00:00Z");
    let later = world.maker.player(Role::Standard).await;
    later.spin(1, "two").send().await.ok();
    let heard = both.hears(2).await;
    assert_eq!((heard[1].signed_by(&second), heard[1].signed_by(&first)), (Some(0), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_newest_first_a_page_at_a_time_without_a_gap() {
    let world = World::new().await;
    let busy = receiver(&[Status(200)]).await;
    let (endpoint, _) = world.register(&busy, &["game.*"]).await;
    for spin in 0..23 {
        world.player.spin(1, &format!("spin-{spin}")).send().await.ok();
    }
    world.settled().await;
    let mut ids: Vec<_> = busy
        .heard()
        .iter()
        .map(|of| {
            let told = of.json();
            let at: jiff::Timestamp =
                told["timestamp"].as_str().unwrap_or_default().parse().expect("an instant");
            (at, of.header("webhook-id").to_owned())
        })
        .collect();
    assert_eq!(ids.len(), 23);
    ids.sort();
    for (limit, status) in [(5, ""), (100, ""), (5, "&status=delivered")] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = format!("endpoint={endpoint}&limit={limit}{status}{cursor}");
            let path = format!("/api/admin/webhooks/deliveries?{query}");
            let page = world.operator.api.get(&path).await.ok();
            let items = page["items"].as_array().expect("items");
            assert!(items.len() <= limit);
            seen.extend(
                items.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()),
            );
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!(sorted.len(), 23, "each once: {limit} {status}");
        let newest = &ids.last().expect("some").0;
        let of_newest = |id: &String| ids.iter().any(|(at, of)| of == id && at == newest);
        assert!(of_newest(&seen[0]), "{limit} {status}");
        let oldest = &ids[0].0;
        let last = seen.last().expect("some");
        assert!(ids.iter().any(|(at, of)| of == last && at == oldest), "{limit} {status}");
    }
}
