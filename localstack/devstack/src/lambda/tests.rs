//! The Runtime API, asked by hand.

use std::os::unix::process::ExitStatusExt as _;

use bytes::Bytes;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    Failure,
    runtime_api::{Invocation, RuntimeApi, Said},
};
use crate::invoke::InvokeError;

struct Runtime {
    url: String,
    http: Client,
}

impl Runtime {
    fn of(api: &RuntimeApi) -> Self {
        let url = format!("http://{}/2018-06-01/runtime", api.address);
        Self { url, http: Client::builder().no_proxy().build().unwrap() }
    }

    async fn next(&self) -> Response {
        self.http.get(format!("{}/invocation/next", self.url)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &'static str) -> Response {
        let request = self.http.post(format!("{}/{path}", self.url)).body(body);
        request.header("lambda-runtime-function-error-type", "Test.Kind").send().await.unwrap()
    }
}

fn invocation() -> Invocation {
    Invocation {
        request_id: "8476a536".to_owned(),
        deadline_ms: 1_795_235_400_000,
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:health".to_owned(),
        trace_id: "Root=1-692000a8-5f1e3c0a4b7d2e9f11223344".to_owned(),
        payload: Bytes::from_static(b"{\"a\":1}"),
    }
}

#[tokio::test]
async fn an_event_comes_with_what_lambda_says_of_it() {
    let mut api = RuntimeApi::start().await.unwrap();
    let runtime = Runtime::of(&api);
    api.offer(invocation()).await;
    let next = runtime.next().await;
    assert!(matches!(api.said().await, Said::Next));
    let header = |name: &str| next.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("lambda-runtime-aws-request-id"), "8476a536");
    assert_eq!(header("lambda-runtime-deadline-ms"), "1795235400000");
    assert_eq!(header("lambda-runtime-invoked-function-arn"), invocation().function_arn);
    assert_eq!(header("lambda-runtime-trace-id"), invocation().trace_id);
    assert_eq!(next.text().await.unwrap(), "{\"a\":1}");
}

#[tokio::test]
async fn an_event_is_answered_once_and_by_its_own_id() {
    let mut api = RuntimeApi::start().await.unwrap();
    let runtime = Runtime::of(&api);
    api.offer(invocation()).await;
    runtime.next().await;
    assert!(matches!(api.said().await, Said::Next));
    let other = runtime.post("invocation/other/response", "{}").await;
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    let body: Value = serde_json::from_str(&other.text().await.unwrap()).unwrap();
    assert_eq!(body["errorType"], "InvalidRequestID");
    let answer = runtime.post("invocation/8476a536/response", "{\"b\":2}").await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert!(matches!(api.said().await, Said::Response(body) if &*body == b"{\"b\":2}"));
    let again = runtime.post("invocation/8476a536/response", "{}").await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_answer_is_heard_while_it_is_streamed() {
    let mut api = RuntimeApi::start().await.unwrap();
    let runtime = Runtime::of(&api);
    api.offer(invocation()).await;
    runtime.next().await;
    assert!(matches!(api.said().await, Said::Next));
    // By hand: the body is written piece by piece.
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    let head = "POST /2018-06-01/runtime/invocation/8476a536/response HTTP/1.1\r\nhost: x\r\n\
                lambda-runtime-function-response-mode: streaming\r\n\
                transfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let Said::Streaming(mut pieces) = api.said().await else { panic!("it streams") };
    for piece in ["one", "two"] {
        socket.write_all(format!("3\r\n{piece}\r\n").as_bytes()).await.unwrap();
        assert_eq!(pieces.recv().await.unwrap().unwrap(), piece);
    }
    // The process goes away in the middle of a piece.
    socket.write_all(b"5\r\nthr").await.unwrap();
    assert_eq!(pieces.recv().await.unwrap().unwrap(), "thr");
    drop(socket);
    assert!(pieces.recv().await.unwrap().is_err());
    assert!(pieces.recv().await.is_none());
}

#[tokio::test]
async fn failures_are_told_apart_by_when_they_happen() {
    let mut api = RuntimeApi::start().await.unwrap();
    let runtime = Runtime::of(&api);
    let body = "{\"errorMessage\":\"m\",\"errorType\":\"t\"}";
    assert_eq!(runtime.post("init/error", body).await.status(), StatusCode::ACCEPTED);
    assert!(matches!(api.said().await, Said::InitError { kind, .. } if kind == "Test.Kind"));
    api.offer(invocation()).await;
    runtime.next().await;
    assert!(matches!(api.said().await, Said::Next));
    let failed = runtime.post("invocation/8476a536/error", body).await;
    assert_eq!(failed.status(), StatusCode::ACCEPTED);
    let Said::Error { kind, body } = api.said().await else { panic!("not a failure") };
    let failure = Failure::Reported { kind, body };
    assert!(failure.leaves_it_alive());
    assert_eq!(failure.payload(), json!({ "errorMessage": "m", "errorType": "t" }));
    assert_eq!(runtime.post("nothing", "").await.status(), StatusCode::NOT_FOUND);
}

#[test]
fn the_end_of_a_process_is_worded_as_lambda_words_it() {
    let exit = |raw| Failure::Exit {
        request_id: "1".to_owned(),
        status: std::process::ExitStatus::from_raw(raw),
    };
    for (raw, text) in [
        (0, "Runtime exited without providing a reason"),
        (1 << 8, "Runtime exited with error: exit status 1"),
        (9, "Runtime exited with error: signal: killed"),
    ] {
        assert_eq!(
            exit(raw).payload(),
            json!({ "errorType": "Runtime.ExitError",
                    "errorMessage": format!("RequestId: 1 Error: {text}") })
        );
    }
    let timed_out = Failure::TimedOut { request_id: "1".to_owned(), seconds: 3 };
    assert_eq!(timed_out.to_string(), "RequestId: 1 Error: Task timed out after 3.00 seconds");
    assert_eq!(InvokeError::from(timed_out), InvokeError::Timeout);
}
