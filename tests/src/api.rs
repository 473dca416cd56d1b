//! A caller of the HTTP API.

use std::{
    net::Ipv4Addr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

/// A caller at an address of their own, with or without a token.
#[derive(Clone)]
pub struct Api {
    base_url: String,
    http: reqwest::Client,
    token: Option<String>,
}

/// One call, to be sent.
pub struct Call {
    request: reqwest::RequestBuilder,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub text: String,
}

impl Api {
    /// A caller who is nobody, at an address that nobody else has: what is counted
    /// by address is one test's, and one player's. Against a target that is not on
    /// this machine it is the machine's address after all.
    ///
    /// # Panics
    /// When no HTTP client can be built.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        let local = ["http://127.", "http://localhost"];
        let address = local.iter().any(|start| base_url.starts_with(start)).then(loopback);
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .local_address(address.map(Into::into))
            .no_proxy()
            .build()
            .expect("an HTTP client");
        Self { base_url: base_url.to_owned(), http, token: None }
    }

    /// Somebody else: no token, another address.
    #[must_use]
    pub fn somebody_else(&self) -> Self {
        Self::new(&self.base_url)
    }

    /// The same caller where the product is now.
    #[must_use]
    pub fn at(&self, base_url: &str) -> Self {
        Self { base_url: base_url.to_owned(), ..self.clone() }
    }

    /// The same caller with this access token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The access token, if the caller has one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A call of any kind.
    #[must_use]
    pub fn call(&self, method: Method, path: &str) -> Call {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Call { request }
    }

    /// A `GET`, sent.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    /// A `POST` of a JSON document, to be sent.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).body(body.to_string())
    }
}

/// The next of this process's loopback addresses, which begin anywhere so that those
/// of two processes differ.
fn loopback() -> Ipv4Addr {
    static FIRST: OnceLock<u32> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = FIRST.get_or_init(|| u32::from_le_bytes(runtime::Entropy::system().bytes()));
    let mut rest = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    // 1 to 254 each: neither the network's own address nor its broadcast.
    let [c, b, a] = [(); 3].map(|()| {
        let octet = rest % 254 + 1;
        rest /= 254;
        u8::try_from(octet).expect("at most 254")
    });
    Ipv4Addr::new(127, a, b, c)
}

impl Call {
    /// With a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value) }
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// In English.
    #[must_use]
    pub fn english(self) -> Self {
        self.header("accept-language", "en")
    }

    /// With this JSON text as body, sound or not.
    #[must_use]
    pub fn body(self, text: impl Into<String>) -> Self {
        Self { request: self.request.header("content-type", "application/json").body(text.into()) }
    }

    /// With these bytes as body, and no word on what they are.
    #[must_use]
    pub fn raw(self, bytes: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.body(bytes) }
    }

    /// Sends it.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("an answer")
    }

    /// Sends it; the target may be gone.
    ///
    /// # Errors
    /// There was no whole answer.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }
}

impl Call {
    /// Sends it and reads the answer as it comes.
    ///
    /// # Panics
    /// When no answer begins.
    pub async fn open(self) -> Streamed {
        let response = self.request.send().await.expect("an answer begins");
        Streamed { response, read: String::new() }
    }
}

/// Server-sent events as they come.
pub struct Streamed {
    pub response: reqwest::Response,
    /// Behind the last event.
    read: String,
}

impl Streamed {
    /// The next event, without the empty line at its end; `None` when the answer is whole.
    ///
    /// # Errors
    /// The answer broke off.
    pub async fn next(&mut self) -> reqwest::Result<Option<String>> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let event = event.to_owned();
                self.read = rest.to_owned();
                return Ok(Some(event));
            }
            match self.response.chunk().await? {
                Some(piece) => self.read.push_str(&String::from_utf8_lossy(&piece)),
                None => return Ok(None),
            }
        }
    }
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header, or the empty string.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The JSON body of a success.
    ///
    /// # Panics
    /// When the status is not 2xx, showing the answer.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.json()
    }

    /// Whether the answer was given before.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }

    /// Asserts that this is a problem, whole in both shapes, and returns it.
    ///
    /// # Panics
    /// When it is not, or another one.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], status);
        assert_eq!(body["error"]["code"], code);
        for member in ["type", "title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        assert_eq!(body["error"]["message"], body["detail"]);
        body
    }
}
