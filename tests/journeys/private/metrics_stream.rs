//! `GET /api/metrics/stream` under a domain, which holds the connection, and without one.

use std::time::Duration;

use devstack::{Options, Stack};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tests::{Api, DEADLINE, Player, Streamed, eventually, stack, stack_with, without_domain};

async fn watch(stack: &Stack, interval: u32) -> Streamed {
    let path = format!("/api/metrics/stream?interval={interval}");
    Api::new(&stack.base_url).call(Method::GET, &path).open().await
}

/// The next count of who is online; `None` at the end of the answer.
async fn online(stream: &mut Streamed) -> Option<u64> {
    let next = tokio::time::timeout(DEADLINE, stream.next());
    let event = next.await.expect("in time").expect("no break")?;
    let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
    let data: Value = serde_json::from_str(data).expect("JSON");
    Some(data["online_users"].as_u64().expect("a number"))
}

#[tokio::test]
async fn one_connection_tells_what_happens_while_it_is_open() {
    let stack = stack().await;
    let mut stream = watch(&stack, 2).await;
    assert_eq!(stream.response.status(), StatusCode::OK);
    // Whichever page asks may read it.
    assert_eq!(stream.response.headers()["access-control-allow-origin"], "*");
    assert_eq!(online(&mut stream).await, Some(0));
    Player::sign_up(&Api::new(&stack.base_url)).await;
    stack.settled(DEADLINE).await.expect("settles");
    // What is counted is told for five seconds.
    let mut told = vec![online(&mut stream).await];
    while told.last() != Some(&Some(1)) && told.len() < 12 {
        told.push(online(&mut stream).await);
    }
    assert_eq!(told.last(), Some(&Some(1)), "{told:?}");
}

#[tokio::test]
async fn a_stream_ends_and_says_so_when_the_gateway_does() {
    let stack = stack().await;
    let mut stream = watch(&stack, 30).await;
    assert_eq!(online(&mut stream).await, Some(0));
    let end = tokio::spawn(async move { online(&mut stream).await });
    let stopped = tokio::time::timeout(DEADLINE, stack.shutdown());
    stopped.await.expect("it does not wait for the next event").expect("it stops");
    assert_eq!(end.await.expect("no panic"), None);
}

#[tokio::test]
async fn what_it_does_not_have_is_a_problem_as_everywhere() {
    let stack = stack().await;
    let api = Api::new(&stack.base_url);
    let path = "/api/metrics/stream";
    api.call(Method::POST, path).send().await.is_problem(405, "method_not_allowed");
    api.get(&format!("{path}/more")).await.is_problem(404, "not_found");
    api.get("/api/metrics/streams").await.is_problem(404, "not_found");
    let nothing = api.get(&format!("{path}?interval=%zz&%00")).await;
    nothing.is_problem(422, "validation_failed");
    assert_eq!(nothing.header("access-control-allow-origin"), "*");
    let preflight = api.call(Method::OPTIONS, path).header("origin", "https://any.example");
    let preflight = preflight.header("access-control-request-method", "GET").send().await;
    assert_eq!(preflight.status, StatusCode::OK);
    assert!(preflight.header("access-control-allow-headers").contains("traceparent"));
}

#[tokio::test]
async fn no_more_watch_at_once_than_may() {
    let parameters = [("MetricsStreamViewers".to_owned(), "1".to_owned())].into();
    let stack = stack_with(Options { parameters, ..Options::default() }).await;
    let mut first = watch(&stack, 30).await;
    assert_eq!(online(&mut first).await, Some(0));
    let second = watch(&stack, 30).await;
    assert_eq!(second.response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    drop(first);
    eventually("the place of who has left is free", || async {
        watch(&stack, 30).await.response.status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn without_a_domain_each_answer_is_one_event() {
    let stack = stack_with(without_domain()).await;
    let mut stream = watch(&stack, 2).await;
    assert_eq!(online(&mut stream).await, Some(0));
    let next = tokio::time::timeout(Duration::from_secs(1), stream.next());
    assert_eq!(next.await.expect("the answer ends at once").expect("no break"), None);
}
