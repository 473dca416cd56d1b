//! What is connected to, and what is not.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Answers each look-up with the next of these, the last for ever.
struct Scripted {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Lookup for Scripted {
    fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let found = self.answers[turn].iter().map(|text| text.parse().expect("an address"));
        let found: Vec<_> = found.collect();
        Box::pin(async { Ok(found) })
    }
}

fn resolver(reach: Reach, answers: &[&[&'static str]]) -> (Resolver, Arc<Scripted>) {
    let answers = answers.iter().map(|answer| answer.to_vec()).collect();
    let lookup = Arc::new(Scripted { answers, asked: AtomicUsize::new(0) });
    (Resolver { reach, lookup: lookup.clone() }, lookup)
}

fn target(url: &str) -> Target {
    Target::parse(url, Reach::Loopback).expect("a target")
}

#[tokio::test]
async fn one_address_out_of_reach_is_too_many() {
    for (reach, addresses, expected) in [
        (Reach::Public, &["93.184.216.34"][..], Ok(())),
        (Reach::Public, &["93.184.216.34", "2606:2800:220:1::1"], Ok(())),
        (Reach::Public, &[], Err(Failure::Unresolvable)),
        (Reach::Public, &["10.0.0.1"], Err(Failure::NotAllowed)),
        (Reach::Public, &["93.184.216.34", "169.254.169.254"], Err(Failure::NotAllowed)),
        (Reach::Public, &["93.184.216.34", "::ffff:10.0.0.1"], Err(Failure::NotAllowed)),
        (Reach::Public, &["127.0.0.1"], Err(Failure::NotAllowed)),
        (Reach::Public, &["::1"], Err(Failure::NotAllowed)),
        (Reach::Loopback, &["127.0.0.1", "::1"], Ok(())),
        (Reach::Loopback, &["127.0.0.1", "10.0.0.1"], Err(Failure::NotAllowed)),
    ] {
        let (resolver, _) = resolver(reach, &[addresses]);
        let checked = resolver.check(&target("https://hooks.example.com/")).await;
        assert_eq!(checked, expected, "{reach:?} {addresses:?}");
    }
}

/// A receiver on this machine that answers each connection with the next of these
/// texts, and the requests it got.
struct Receiver {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hearing = Arc::clone(&heard);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let request = read_request(&mut stream).await;
                hearing.lock().expect("no panic").push(request);
                // Who has heard enough hangs up.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").and_then(|length| length.parse().ok())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.expect("reads");
        if read == 0 {
            return text;
        }
        request.extend_from_slice(&chunk[..read]);
    }
}

fn answer(status: &str, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n{more}\r\n")
}

async fn post(egress: &Egress, url: &str) -> Result<u16, Failure> {
    let headers = Headers::new().with("webhook-id", "msg_1");
    egress.post(&target(url), headers, "{\"a\":1}".to_owned()).await
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_was_checked_is_connected_to() {
    let receiver = Receiver::start(vec![answer("204 No Content", "")]).await;
    // Whoever looks again, gets another address.
    let (resolver, lookup) = resolver(Reach::Loopback, &[&["127.0.0.1"], &["10.0.0.1"]]);
    let url = format!("http://hooks.example.com:{}/in?a=b", receiver.port);
    assert_eq!(post(&Egress::with(resolver), &url).await, Ok(204));
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 1);
    let heard = receiver.heard();
    assert!(heard[0].starts_with("POST /in?a=b HTTP/1.1\r\n"), "{heard:?}");
    assert!(heard[0].contains("webhook-id: msg_1\r\n") && heard[0].ends_with("{\"a\":1}"));
    let host = format!("host: hooks.example.com:{}\r\n", receiver.port);
    assert!(heard[0].contains(&host), "{heard:?}");
}

#[tokio::test]
async fn every_delivery_resolves_and_is_checked_anew() {
    let receiver = Receiver::start(vec![answer("200 OK", ""), answer("200 OK", "")]).await;
    let (resolver, _) = resolver(Reach::Loopback, &[&["127.0.0.1"], &["192.168.0.1"]]);
    let egress = Egress::with(resolver);
    let url = format!("http://hooks.example.com:{}/", receiver.port);
    assert_eq!(post(&egress, &url).await, Ok(200));
    assert_eq!(post(&egress, &url).await, Err(Failure::NotAllowed));
    assert_eq!(receiver.heard().len(), 1);
}

#[tokio::test]
async fn an_address_in_the_url_is_checked_as_well() {
    let receiver = Receiver::start(vec![answer("200 OK", "")]).await;
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    let (public, _) = resolver(Reach::Public, &[&[]]);
    assert_eq!(post(&Egress::with(public), &url).await, Err(Failure::NotAllowed));
    let (near, lookup) = resolver(Reach::Loopback, &[&[]]);
    assert_eq!(post(&Egress::with(near), &url).await, Ok(200));
    assert_eq!((receiver.heard().len(), lookup.asked.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Receiver::start(vec![answer("200 OK", "")]).await;
    let location = format!("location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let receiver = Receiver::start(vec![answer(status, &location)]).await;
        let url = format!("http://127.0.0.1:{}/", receiver.port);
        let code = post(&Egress::new(Reach::Loopback), &url).await.expect("an answer");
        assert_eq!(code.to_string(), status[..3]);
    }
    assert!(elsewhere.heard().is_empty());
}

#[tokio::test]
async fn of_an_answer_only_the_status_matters() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(10 * BODY_BYTES));
    let half = "HTTP/1.1 503 No\r\ncontent-length: 100\r\n\r\nhalf".to_owned();
    let receiver = Receiver::start(vec![endless, half]).await;
    let (egress, url) =
        (Egress::new(Reach::Loopback), format!("http://127.0.0.1:{}/", receiver.port));
    assert_eq!(post(&egress, &url).await, Ok(200));
    assert_eq!(post(&egress, &url).await, Ok(503));
}

#[tokio::test]
async fn what_is_no_answer_has_a_name() {
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES));
    let receiver = Receiver::start(vec!["SSH-2.0\r\n".to_owned(), String::new(), head]).await;
    let (egress, url) =
        (Egress::new(Reach::Loopback), format!("http://127.0.0.1:{}/", receiver.port));
    for what in ["not HTTP", "nothing", "too much of a head"] {
        assert_eq!(post(&egress, &url).await, Err(Failure::Broken), "{what}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = closed.local_addr().expect("an address").port();
    drop(closed);
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(post(&egress, &url).await, Err(Failure::Unreachable));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        // Nobody speaks TLS here.
        stream.write_all(b"HTTP/1.1 400 What\r\n\r\n").await.expect("writes");
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let url = format!("https://127.0.0.1:{port}/");
    assert_eq!(post(&egress, &url).await, Err(Failure::Unreachable));
}

#[tokio::test]
async fn who_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().expect("an address").port());
    let egress = Egress { total: Duration::from_millis(50), ..Egress::new(Reach::Loopback) };
    assert_eq!(post(&egress, &url).await, Err(Failure::TimedOut));
}
