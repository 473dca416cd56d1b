//! A receiver of webhooks on this machine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::eventually;

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Reaction {
    /// Answers with this status.
    Status(u16),
    /// Never answers.
    Silence,
}

/// A request that was received.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Byte for byte.
    pub body: String,
}

impl Heard {
    /// A header, or the empty string.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Which of the signatures, from 0 on, is by this secret (`whsec_…`). By the
    /// standard's text, not by the product's code.
    ///
    /// # Panics
    /// When the secret is none.
    #[must_use]
    pub fn signed_by(&self, secret: &str) -> Option<usize> {
        let key = secret.strip_prefix("whsec_").expect("a secret");
        let key = BASE64_STANDARD.decode(key).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{at}.{}", self.body).as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').position(|signature| signature == expected)
    }
}

/// Listens until it is dropped with its test's runtime.
pub struct Receiver {
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Receiver {
    /// One that reacts to the first requests so, and to the rest as to the last of them.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(reactions: &[Reaction]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (hearing, reactions) = (Arc::clone(&heard), reactions.to_vec());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&hearing), reactions.clone()));
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/hook?tenant=1"), heard }
    }

    /// What was received so far.
    ///
    /// # Panics
    /// When a receiver's task has panicked.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }

    /// Waits for `count` requests and returns all.
    pub async fn hears(&self, count: usize) -> Vec<Heard> {
        eventually("the receiver is told", || async { self.heard().len() >= count }).await;
        self.heard()
    }
}

async fn serve(mut stream: TcpStream, hearing: Arc<Mutex<Vec<Heard>>>, reactions: Vec<Reaction>) {
    let Some(request) = read(&mut stream).await else { return };
    let turn = {
        let mut heard = hearing.lock().expect("no panic");
        heard.push(request);
        heard.len() - 1
    };
    match reactions.get(turn).or(reactions.last()).copied().unwrap_or(Reaction::Status(200)) {
        Reaction::Status(status) => {
            let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 2\r\n\r\nok");
            // Whoever has the status may have hung up.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Reaction::Silence => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 1]).await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).await.ok()?;
    Some(Heard { path, headers, body: String::from_utf8(body).ok()? })
}
