//! `GET /api/metrics/global` and `/stream`; `private::metrics` counts.

use jiff::Timestamp;
use serde_json::Value;
use tests::{Answer, Target};

const GLOBAL: &str = "/api/metrics/global";

fn is_metrics(metrics: &Value) {
    for count in ["online_users", "spins_last_hour", "big_wins_last_hour"] {
        assert!(metrics[count].is_u64(), "{metrics}");
    }
    let at = metrics["generated_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    assert!(at.is_some(), "{metrics}");
}

/// The one event of an answer.
fn data(answer: &Answer) -> Value {
    let data = answer.text.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.expect("data")).expect("JSON")
}

#[tokio::test]
async fn anybody_is_told_how_much_is_going_on() {
    let target = Target::start().await;
    let api = target.api();
    let answer = api.get(GLOBAL).await;
    is_metrics(&answer.ok());
    assert_eq!(answer.header("cache-control"), "public, max-age=5");
}

#[tokio::test]
async fn each_answer_of_the_stream_is_an_event_and_says_when_the_next_is() {
    let target = Target::start().await;
    let api = target.api();
    for (query, retry) in [("", "5000"), ("?interval=2", "2000"), ("?interval=30", "30000")] {
        let answer = api.get(&format!("/api/metrics/stream{query}")).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert_eq!(answer.header("cache-control"), "no-store");
        is_metrics(&data(&answer));
        let lines: Vec<_> = answer.text.lines().collect();
        assert_eq!(lines[..2], [format!("retry: {retry}"), "event: metrics".to_owned()]);
        assert!(answer.text.ends_with("\n\n"), "{}", answer.text);
    }
    for (interval, rule) in [("1", "too_small"), ("31", "too_large"), ("x", "wrong_type")] {
        let answer = api.get(&format!("/api/metrics/stream?interval={interval}")).await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["code"], rule, "{problem}");
    }
}
