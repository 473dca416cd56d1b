//! `POST /api/telemetry/events`; `tests/analytics` has what becomes of it.

use serde_json::{Value, json};
use tests::Target;

const PATH: &str = "/api/telemetry/events";

fn event(name: &str) -> Value {
    json!({ "ts": 1_795_222_923_456_i64, "name": name })
}

fn events(events: &[Value]) -> Value {
    json!({ "events": events })
}

#[tokio::test]
async fn takes_one_to_fifty_events_of_who_is_signed_in() {
    let target = Target::start().await;
    let one = events(&[event("page.view")]);
    target.api().post(PATH, &one).send().await.is_problem(401, "unauthenticated");
    let player = target.player().await;
    for count in [1, 50] {
        let told = player.api.post(PATH, &events(&vec![event("page.view"); count])).send().await;
        assert_eq!(told.status, 202, "{}", told.text);
        assert_eq!(told.ok(), json!({ "accepted": count, "sampled_out": 0 }));
    }
    // None of the sample, or all of it: it is the same event.
    let noisy = vec![event("ui.mouse_move"); 50];
    let told = player.api.post(PATH, &events(&noisy)).send().await.ok();
    let (kept, left_out) =
        (json!({ "accepted": 50, "sampled_out": 0 }), json!({ "accepted": 0, "sampled_out": 50 }));
    assert!(told == kept || told == left_out, "{told}");
    player.log_out().send().await.ok();
    player.api.post(PATH, &one).send().await.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn says_which_event_is_wrong_and_takes_none() {
    let target = Target::start().await;
    let player = target.player().await;
    let good = event("page.view");
    let with = |member: &str, value: Value| {
        let mut event = event("page.view");
        event[member] = value;
        event
    };
    for (body, pointer, rule) in [
        (events(&[]), "/events", "too_short"),
        (events(&vec![good.clone(); 51]), "/events", "too_long"),
        (json!([good]), "", "wrong_type"),
        (events(&[good.clone(), with("name", json!(""))]), "/events/1/name", "too_short"),
        (events(&[with("name", json!("x".repeat(65)))]), "/events/0/name", "too_long"),
        (events(&[with("name", json!("Page View"))]), "/events/0/name", "invalid_format"),
        (events(&[with("ts", json!(-1))]), "/events/0/ts", "invalid_format"),
        (events(&[with("ts", json!("yesterday"))]), "/events/0/ts", "invalid_format"),
        (events(&[with("ts", json!(1.5))]), "/events/0/ts", "wrong_type"),
        (events(&[with("meta", json!([1]))]), "/events/0/meta", "wrong_type"),
        (events(&[with("user_id", json!("me"))]), "/events/0/user_id", "unknown_field"),
        (events(&[json!({ "ts": 1 })]), "/events/0/name", "required"),
    ] {
        let answer = player.api.post(PATH, &body).send().await;
        let problem = answer.is_problem(422, "validation_failed");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!(pointer), &json!(rule)),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_request_has_at_most_32_kib() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut event = event("page.view");
    event["meta"] = json!({ "text": "" });
    let empty = events(&[event.clone()]).to_string().len();
    for (bytes, status) in [(32 * 1024, 202), (32 * 1024 + 1, 413)] {
        event["meta"]["text"] = json!("x".repeat(bytes - empty));
        let answer = player.api.post(PATH, &events(&[event.clone()])).send().await;
        assert_eq!(answer.status, status, "{bytes} bytes: {}", answer.text);
        if status == 413 {
            answer.is_problem(413, "body_too_large");
        }
    }
}
