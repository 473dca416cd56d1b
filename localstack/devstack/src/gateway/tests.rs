use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{SinkExt as _, StreamExt as _, stream};
use runtime::Streamed;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        protocol::frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use super::{Gateway, SocketLimits};
use crate::{
    engine::Engine,
    invoke::{InvokeError, Invoker},
    spec::{Cors, HttpRoute, SocketRoute, Spec, StreamRoute},
};

type Answer = Result<Value, InvokeError>;

/// Passes on every event and answers from a list, then with 200.
struct Script {
    events: mpsc::UnboundedSender<(String, Value)>,
    answers: Mutex<VecDeque<Answer>>,
    break_off: Arc<Notify>,
    /// Looked at before each answer.
    post_first: Option<Arc<Engine>>,
}

#[async_trait]
impl Invoker for Script {
    async fn invoke(&self, function: &str, payload: Value) -> Answer {
        if let Some(engine) = &self.post_first {
            let id = payload["requestContext"]["connectionId"].as_str().expect("a socket event");
            assert_eq!(engine.sockets().manage("PostToConnection", id, b"early").status, 410);
        }
        self.events.send((function.to_owned(), payload)).expect("the test listens");
        let next = self.answers.lock().expect("not poisoned").pop_front();
        next.unwrap_or_else(|| Ok(json!({ "statusCode": 200 })))
    }

    /// A piece, and a failure when the test says so; or the next answer, if that is one.
    async fn open(&self, function: &str, payload: Value) -> Result<Streamed, InvokeError> {
        self.invoke(function, payload).await?;
        let head =
            json!({ "statusCode": 201, "headers": { "x-a": "b" }, "cookies": ["c=1", "d=2"] });
        let break_off = self.break_off.clone();
        let failure = async move {
            break_off.notified().await;
            Err("broken off".into())
        };
        let pieces = stream::iter([Ok("one".into())]).chain(stream::once(failure));
        Ok(Streamed {
            metadata_prelude: serde_json::from_value(head).expect("a head"),
            stream: pieces.boxed(),
        })
    }
}

struct Stack {
    engine: Arc<Engine>,
    address: SocketAddr,
    events: mpsc::UnboundedReceiver<(String, Value)>,
    break_off: Arc<Notify>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

fn spec() -> Spec {
    let route = |method: &str, path: &str| HttpRoute {
        method: method.to_owned(),
        path: path.to_owned(),
        function: "Http".to_owned(),
    };
    let socket = |key: &str, function: &str| SocketRoute {
        route_key: key.to_owned(),
        function: function.to_owned(),
    };
    Spec {
        http_routes: vec![route("POST", "/items/{id}"), route("GET", "/plain")],
        cors: Some(Cors {
            allow_origins: vec!["https://game.example".to_owned()],
            allow_methods: vec!["GET".to_owned(), "POST".to_owned()],
            max_age: Some(60),
            ..Cors::default()
        }),
        stream_routes: vec![StreamRoute {
            path: "/plain/stream".to_owned(),
            stage: "live".to_owned(),
            function: "Stream".to_owned(),
            patience: Duration::from_secs(70),
        }],
        socket_routes: vec![
            socket("$connect", "Connect"),
            socket("$disconnect", "Disconnect"),
            socket("$default", "Default"),
            socket("sync", "Sync"),
        ],
        ..Spec::default()
    }
}

async fn start(answers: Vec<Answer>, limits: SocketLimits, post_first: bool) -> Stack {
    let spec = spec();
    let engine = Engine::open(None, &spec).expect("opens");
    let (sender, events) = mpsc::unbounded_channel();
    let break_off = Arc::new(Notify::new());
    let invoker = Arc::new(Script {
        events: sender,
        break_off: break_off.clone(),
        answers: Mutex::new(answers.into()),
        post_first: post_first.then(|| engine.clone()),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let gateway = Gateway::new(&spec, &engine, invoker).with_socket_limits(limits);
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(gateway.serve(listener, async { drop(stopped.await) }));
    Stack { engine, address, events, break_off, stop, served }
}

async fn answering(answers: Vec<Answer>) -> Stack {
    start(answers, SocketLimits::default(), false).await
}

impl Stack {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn event(&mut self) -> (String, Value) {
        let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await;
        event.expect("in time").expect("open")
    }

    async fn socket(&self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        let url = format!("ws://{}/realtime?ticket=t%201", self.address);
        tokio_tungstenite::connect_async(url).await.expect("accepted").0
    }

    /// A connected socket and its id.
    async fn connected(&mut self) -> (WebSocketStream<MaybeTlsStream<TcpStream>>, String) {
        let socket = self.socket().await;
        let (function, event) = self.event().await;
        assert_eq!(function, "Connect");
        let id = event["requestContext"]["connectionId"].as_str().expect("has one");
        (socket, id.to_owned())
    }

    fn management(&self) -> aws_sdk_apigatewaymanagement::Client {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.engine.sdk_config())
            .endpoint_url("https://local.execute-api.us-east-1.amazonaws.com/realtime");
        aws_sdk_apigatewaymanagement::Client::from_conf(config.build())
    }
}

async fn closed(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> CloseCode {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code,
            Some(Ok(_)) => {}
            other => panic!("no close frame but {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_request_becomes_an_event_of_format_two() {
    let answer = json!({ "statusCode": 201, "headers": { "x-a": "b" }, "body": "done" });
    let mut stack = answering(vec![Ok(answer)]).await;
    let reply = reqwest::Client::new()
        .post(stack.url("/items/a%20b?x=1&x=2&y=%C3%A9"))
        .header("X-Two", "1")
        .header("x-two", "2")
        .header("cookie", "a=1; b=2")
        .header("content-type", "application/json")
        .body("{}")
        .send()
        .await
        .expect("answered");
    assert_eq!((reply.status().as_u16(), reply.headers()["x-a"].as_bytes()), (201, &b"b"[..]));
    assert_eq!(reply.text().await.expect("text"), "done");
    let (function, event) = stack.event().await;
    assert_eq!(function, "Http");
    for (pointer, expected) in [
        ("/version", json!("2.0")),
        ("/routeKey", json!("POST /items/{id}")),
        ("/rawPath", json!("/items/a%20b")),
        ("/rawQueryString", json!("x=1&x=2&y=%C3%A9")),
        ("/cookies", json!(["a=1", "b=2"])),
        ("/headers/x-two", json!("1,2")),
        ("/headers/x-forwarded-for", json!("127.0.0.1")),
        ("/queryStringParameters", json!({ "x": "1,2", "y": "é" })),
        ("/pathParameters/id", json!("a b")),
        ("/requestContext/http/method", json!("POST")),
        ("/requestContext/http/protocol", json!("HTTP/1.1")),
        ("/requestContext/http/sourceIp", json!("127.0.0.1")),
        ("/requestContext/stage", json!("$default")),
        ("/body", json!("{}")),
        ("/isBase64Encoded", json!(false)),
    ] {
        assert_eq!(event.pointer(pointer), Some(&expected), "{pointer}");
    }
    let parsed: aws_lambda_events::apigw::ApiGatewayV2httpRequest =
        serde_json::from_value(event).expect("as Lambda functions read it");
    assert!(parsed.request_context.time_epoch > 0);
}

#[tokio::test]
async fn binary_bodies_are_base64() {
    let mut stack = answering(Vec::new()).await;
    let request = reqwest::Client::new().post(stack.url("/items/1")).body(vec![0xff, 0]);
    request.header("content-type", "image/png").send().await.expect("answered");
    let (_, event) = stack.event().await;
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
}

#[tokio::test]
async fn failures_have_api_gateways_statuses() {
    let error = InvokeError::Function { error_type: "E".to_owned(), message: "m".to_owned() };
    let answers = vec![
        Err(error),
        Err(InvokeError::Timeout),
        Err(InvokeError::Throttled),
        Ok(json!({ "statusCode": 1 })),
    ];
    let stack = answering(answers).await;
    for (path, status, text) in [
        ("/plain", 500, "Internal Server Error"),
        ("/plain", 503, "Service Unavailable"),
        ("/plain", 503, "Service Unavailable"),
        ("/plain", 500, "Internal Server Error"),
        ("/unknown", 404, "Not Found"),
    ] {
        let reply = reqwest::get(stack.url(path)).await.expect("answered");
        assert_eq!(reply.status(), status);
        assert_eq!(reply.json::<Value>().await.expect("JSON"), json!({ "message": text }));
    }
    let body = vec![b'x'; 10 * 1024 * 1024 + 1];
    let reply = reqwest::Client::new().post(stack.url("/items/1")).body(body).send().await;
    assert_eq!(reply.expect("answered").status(), 413);
}

#[tokio::test]
async fn the_gateway_answers_for_cors() {
    let answer = json!({ "statusCode": 200, "headers": { "access-control-allow-origin": "*" } });
    let stack = answering(vec![Ok(answer)]).await;
    let client = reqwest::Client::new();
    for (origin, allowed) in [("https://game.example", true), ("https://evil.example", false)] {
        let reply = client
            .request(reqwest::Method::OPTIONS, stack.url("/plain"))
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .send()
            .await
            .expect("answered");
        assert_eq!(reply.status(), 204);
        assert_eq!(reply.headers().get("access-control-allow-origin").is_some(), allowed);
    }
    let reply = client.get(stack.url("/plain")).header("origin", "https://game.example");
    let reply = reply.send().await.expect("answered");
    assert_eq!(reply.headers()["access-control-allow-origin"], "https://game.example");
}

#[tokio::test]
async fn a_socket_lives_from_connect_to_disconnect() {
    let mut stack = answering(Vec::new()).await;
    let mut socket = stack.socket().await;
    let (_, event) = stack.event().await;
    let context = &event["requestContext"];
    assert_eq!(event["queryStringParameters"]["ticket"], "t 1");
    assert_eq!(event["multiValueQueryStringParameters"]["ticket"], json!(["t 1"]));
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
    let id = context["connectionId"].as_str().expect("has one").to_owned();
    assert!(id.ends_with('='));
    for (text, function, key) in [
        (r#"{"action":"sync"}"#, "Sync", "sync"),
        (r#"{"action":"$connect"}"#, "Default", "$default"),
        ("no JSON", "Default", "$default"),
    ] {
        socket.send(Message::text(text)).await.expect("sent");
        let (called, event) = stack.event().await;
        assert_eq!((called.as_str(), &event["body"]), (function, &json!(text)));
        assert_eq!(event["requestContext"]["routeKey"], key);
        assert_eq!(event["requestContext"]["connectionId"], id.as_str());
    }
    socket.close(None).await.expect("closed");
    let (function, event) = stack.event().await;
    assert_eq!(function, "Disconnect");
    assert_eq!(event["requestContext"]["eventType"], "DISCONNECT");
    assert!(stack.engine.sockets().is_empty());
}

#[tokio::test]
async fn a_request_for_a_stream_becomes_an_event_of_format_one() {
    let mut stack = answering(Vec::new()).await;
    let request = reqwest::Client::new().get(stack.url("/plain/stream/a%20b?x=1&x=2"));
    let request = request.header("x-two", "1").header("x-two", "2");
    let mut reply = request.send().await.expect("answered");
    assert_eq!((reply.status().as_u16(), reply.headers()["x-a"].as_bytes()), (201, &b"b"[..]));
    let cookies: Vec<_> = reply.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["c=1", "d=2"]);
    assert_eq!(reply.chunk().await.expect("a piece").expect("a piece"), "one");
    stack.break_off.notify_one();
    reply.chunk().await.expect_err("it is broken off");
    let (function, event) = stack.event().await;
    assert_eq!(function, "Stream");
    for (pointer, expected) in [
        ("/path", json!("/plain/stream/a%20b")),
        ("/resource", json!("/{proxy+}")),
        ("/httpMethod", json!("GET")),
        ("/pathParameters/proxy", json!("a%20b")),
        ("/queryStringParameters/x", json!("2")),
        ("/multiValueQueryStringParameters/x", json!(["1", "2"])),
        ("/headers/x-two", json!("2")),
        ("/multiValueHeaders/x-two", json!(["1", "2"])),
        ("/requestContext/stage", json!("live")),
        ("/requestContext/identity/sourceIp", json!("127.0.0.1")),
    ] {
        assert_eq!(event.pointer(pointer), Some(&expected), "{pointer}");
    }
    // What only begins the same is the HTTP API's.
    let other = reqwest::get(stack.url("/plain/streams")).await.expect("answered");
    assert_eq!(other.status(), 404);
}

#[tokio::test]
async fn a_stream_that_does_not_begin_fails_as_with_a_rest_api() {
    let failed = InvokeError::Function { error_type: String::new(), message: String::new() };
    let answers = [InvokeError::Timeout, InvokeError::Throttled, failed];
    let stack = answering(answers.map(Err).into()).await;
    for status in [502, 500, 502] {
        let reply = reqwest::get(stack.url("/plain/stream")).await.expect("answered");
        assert_eq!(reply.status(), status);
    }
}

#[tokio::test]
async fn management_reaches_the_socket_until_it_is_gone() {
    let mut stack = answering(Vec::new()).await;
    let (mut socket, id) = stack.connected().await;
    let client = stack.management();
    let post = |text: &str| {
        let data = aws_sdk_apigatewaymanagement::primitives::Blob::new(text);
        client.post_to_connection().connection_id(&id).data(data).send()
    };
    post("hello").await.expect("open");
    assert_eq!(socket.next().await.expect("open").expect("read"), Message::text("hello"));
    let found = client.get_connection().connection_id(&id).send().await.expect("open");
    assert_eq!(found.identity().and_then(|i| i.source_ip()), Some("127.0.0.1"));
    assert!(found.connected_at() <= found.last_active_at());
    let path = format!("/realtime/@connections/{}", id.replace('=', "%3D"));
    let http = reqwest::Client::new();
    let posted = http.post(stack.url(&path)).body("over HTTP").send().await.expect("answered");
    assert_eq!(posted.status(), 200);
    assert_eq!(socket.next().await.expect("open").expect("read"), Message::text("over HTTP"));
    let deleted = http.delete(stack.url(&path)).send().await.expect("answered");
    assert_eq!(deleted.status(), 204);
    let again = client.delete_connection().connection_id(&id).send().await.expect_err("gone");
    assert!(again.into_service_error().is_gone_exception());
    let gone = post("too late").await.expect_err("gone").into_service_error();
    assert!(gone.is_gone_exception(), "{gone:?}");
    let gone = http.get(stack.url(&path)).send().await.expect("answered");
    assert_eq!(gone.status(), 410);
    assert_eq!(closed(&mut socket).await, CloseCode::Normal);
}

#[tokio::test]
async fn nothing_can_be_posted_before_connect_has_answered() {
    let mut stack = start(Vec::new(), SocketLimits::default(), true).await;
    let (_socket, id) = stack.connected().await;
    assert_eq!(stack.engine.sockets().manage("PostToConnection", &id, b"x").status, 200);
}

#[tokio::test]
async fn a_refusal_keeps_its_status() {
    let stack = answering(vec![Ok(json!({ "statusCode": 401 })), Err(InvokeError::Timeout)]).await;
    for expected in [401, 502] {
        let url = format!("ws://{}/realtime", stack.address);
        match tokio_tungstenite::connect_async(url).await {
            Err(Error::Http(reply)) => assert_eq!(reply.status(), expected),
            other => panic!("not refused: {other:?}"),
        }
    }
    assert!(stack.engine.sockets().is_empty());
}

#[tokio::test]
async fn the_socket_is_at_its_stage_and_where_a_domain_has_it() {
    let stack = answering(Vec::new()).await;
    for (path, opens) in
        [("/realtime", true), ("/api/realtime/sync", true), ("/api/realtime/other", false)]
    {
        let url = format!("ws://{}{path}", stack.address);
        assert_eq!(tokio_tungstenite::connect_async(url).await.is_ok(), opens, "{path}");
    }
}

#[tokio::test]
async fn the_function_chooses_the_subprotocol() {
    let answer = json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": "bearer" } });
    let stack = answering(vec![Ok(answer)]).await;
    let url = format!("ws://{}/realtime", stack.address);
    let mut request = url.into_client_request().expect("valid");
    let offered = "bearer, token".parse().expect("valid");
    request.headers_mut().insert("sec-websocket-protocol", offered);
    let (_, reply) = tokio_tungstenite::connect_async(request).await.expect("accepted");
    assert_eq!(reply.headers()["sec-websocket-protocol"], "bearer");
}

/// A message in `frames` of so many bytes each.
fn in_frames(frames: usize, bytes: usize) -> impl Iterator<Item = Message> {
    (1..=frames).map(move |number| {
        let opcode = if number == 1 { Data::Text } else { Data::Continue };
        Message::Frame(Frame::message("x".repeat(bytes), OpCode::Data(opcode), number == frames))
    })
}

#[tokio::test]
async fn too_long_a_message_closes_with_1009() {
    for too_long in [in_frames(1, 32 * 1024 + 1), in_frames(5, 30 * 1024)] {
        let mut stack = answering(Vec::new()).await;
        let (mut socket, _) = stack.connected().await;
        for frame in too_long {
            socket.send(frame).await.expect("sent");
        }
        assert_eq!(closed(&mut socket).await, CloseCode::Size);
        assert_eq!(stack.event().await.1["requestContext"]["disconnectStatusCode"], 1009);
    }
}

#[tokio::test]
async fn too_long_a_frame_that_is_posted_closes_with_1009() {
    let mut stack = answering(Vec::new()).await;
    let (mut socket, id) = stack.connected().await;
    let sockets = stack.engine.sockets().clone();
    let post = |bytes| sockets.manage("PostToConnection", &id, &vec![b'x'; bytes]).status;
    assert_eq!(post(32 * 1024), 200);
    assert_eq!(post(32 * 1024 + 1), 410);
    assert_eq!(closed(&mut socket).await, CloseCode::Size);
}

#[tokio::test]
async fn a_long_message_comes_in_several_frames() {
    let mut stack = answering(Vec::new()).await;
    let (mut socket, _) = stack.connected().await;
    for frame in in_frames(4, 32 * 1024) {
        socket.send(frame).await.expect("sent");
    }
    let (_, event) = stack.event().await;
    assert_eq!(event["body"].as_str().map(str::len), Some(128 * 1024));
}

#[tokio::test]
async fn an_idle_socket_is_closed() {
    let idle = Duration::from_millis(50);
    let limits = SocketLimits { idle, ..SocketLimits::default() };
    let mut stack = start(Vec::new(), limits, false).await;
    let (mut socket, _) = stack.connected().await;
    assert_eq!(closed(&mut socket).await, CloseCode::Away);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_and_delays_nobody() {
    let mut stack = answering(Vec::new()).await;
    let (_socket, id) = stack.connected().await;
    let sockets = stack.engine.sockets().clone();
    let message = vec![b'x'; 30 * 1024];
    let flood = async {
        while sockets.manage("PostToConnection", &id, &message).status == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), flood).await.expect("ends with 410");
    assert_eq!(stack.event().await.0, "Disconnect");
}

#[tokio::test]
async fn shutdown_closes_sockets_and_waits_for_their_disconnect() {
    let mut stack = answering(Vec::new()).await;
    let (mut socket, _) = stack.connected().await;
    stack.stop.send(()).expect("served");
    assert_eq!(closed(&mut socket).await, CloseCode::Away);
    drop(socket);
    stack.served.await.expect("ends");
    let (function, event) = stack.events.recv().await.expect("sent before the end");
    assert_eq!(
        (function.as_str(), &event["requestContext"]["disconnectStatusCode"]),
        ("Disconnect", &json!(1001))
    );
}
