//! `GET /api/metrics/global` and `/stream`; `private::metrics` counts, `private::metrics_stream`
//! watches.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use tests::Target;

const GLOBAL: &str = "/api/metrics/global";

fn is_metrics(metrics: &Value) {
    for count in ["online_users", "spins_last_hour", "big_wins_last_hour"] {
        assert!(metrics[count].is_u64(), "{metrics}");
    }
    let at = metrics["generated_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    assert!(at.is_some(), "{metrics}");
}

/// What an event says.
fn data(event: &str) -> Value {
    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
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

/// On any deployment, with a domain of its own or without.
#[tokio::test]
async fn the_stream_begins_with_an_event_that_says_when_to_come_back() {
    let target = Target::start().await;
    let api = target.api();
    for (query, retry) in [("", "5000"), ("?interval=2", "2000"), ("?interval=30", "30000")] {
        let path = format!("/api/metrics/stream{query}");
        let mut stream = api.call(Method::GET, &path).open().await;
        assert!(stream.response.status().is_success());
        let headers = stream.response.headers();
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(headers.contains_key("x-request-id"));
        let event = stream.next().await.expect("no break").expect("an event");
        is_metrics(&data(&event));
        let lines: Vec<_> = event.lines().collect();
        assert_eq!(lines[..2], [format!("retry: {retry}"), "event: metrics".to_owned()]);
    }
    for (interval, rule) in [("1", "too_small"), ("31", "too_large"), ("x", "wrong_type")] {
        let answer = api.get(&format!("/api/metrics/stream?interval={interval}")).await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["code"], rule, "{problem}");
    }
}
