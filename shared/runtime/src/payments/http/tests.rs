use std::time::Duration;

use super::*;
use crate::payments::recorder::Recorder;

fn client(url: &str, timeout: Duration) -> Http {
    Http::new(BaseUrl::parse(url).unwrap(), timeout)
}

async fn sent(url: &str, timeout: Duration) -> Result<Answered, ProviderError> {
    let key = Secret::from("hunter2");
    let body = Body::Json(br#"{"a":1}"#.to_vec());
    client(url, timeout).send(Method::POST, "/x", &key, &[("x-extra", "1")], body).await
}

const PATIENT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn sends_what_it_is_given_and_answers_what_it_gets() {
    let server = Recorder::answering([(201, "fine".to_owned())]).await;
    let answer = sent(&server.url, PATIENT).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (201, &b"fine"[..]));
    let asked = &server.asked()[0];
    assert_eq!(server.lines(), ["POST /x\n{\"a\":1}"]);
    assert_eq!(asked.headers["authorization"], "Bearer hunter2");
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.headers["x-extra"], "1");
}

#[tokio::test]
async fn gives_up_on_an_answer_that_does_not_come() {
    let server = Recorder::answering([(0, String::new())]).await;
    let short = Duration::from_secs(1);
    let error = sent(&server.url, short).await.unwrap_err();
    assert!(matches!(error, ProviderError::TimedOut(after) if after == short), "{error:?}");
    assert!(error.retryable() && !error.without_effect());
    assert_eq!(server.asked().len(), 1, "it was sent");
}

#[tokio::test]
async fn says_that_nobody_is_there() {
    // A port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = sent(&url, PATIENT).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable(_)), "{error:?}");
    assert!(error.retryable() && !error.without_effect());
    assert!(!error.to_string().contains("hunter2"));
}

#[tokio::test]
async fn takes_no_answer_that_is_too_long() {
    let server = Recorder::answering([(200, "x".repeat(LONGEST_ANSWER_BYTES + 1))]).await;
    let error = sent(&server.url, PATIENT).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unintelligible(_)), "{error:?}");
    assert!(!error.retryable());
}

#[tokio::test]
async fn follows_nobody_elsewhere() {
    let server = Recorder::answering([(302, String::new())]).await;
    assert_eq!(sent(&server.url, PATIENT).await.unwrap().status, StatusCode::FOUND);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn shows_the_address_and_nothing_else() {
    let shown = format!("{:?}", client("https://api.stripe.com/", PATIENT));
    assert!(shown.contains("https://api.stripe.com"), "{shown}");
    let key = bearer(&Secret::from("hunter2")).unwrap();
    assert!(!format!("{key:?}").contains("hunter2"));
}
