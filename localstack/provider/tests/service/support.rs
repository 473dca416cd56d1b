//! A provider, the port to it, and a webhook that writes down what it gets.

use std::{
    convert::Infallible,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, Request, Response};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use domain::{PlayerId, ReceiptId};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use provider::{Delays, Keys, Options, Pace, Provider, Running};
use runtime::{
    Clock, Deps, Entropy,
    payments::{
        Charge, Notice, NoticeError, Notices, Order, Payment, Payments, Provider as _, Standing,
        WebhookKeys,
    },
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

pub const API_KEY: &str = "key-hunter2";
/// How long the port waits for an answer, in tests in which none comes.
pub const IMPATIENCE: Duration = Duration::from_secs(2);

/// The webhook secret with these keys of equal bytes; the first is active.
pub fn keys(of: &[(&str, u8)]) -> String {
    let keys = of.iter().map(|(kid, byte)| {
        format!(r#"{{"kid":"{kid}","secret":"{}"}}"#, BASE64_STANDARD.encode([*byte; 32]))
    });
    format!(r#"{{"active":"{}","keys":[{}]}}"#, of[0].0, keys.collect::<Vec<_>>().join(","))
}

pub fn webhook_keys(of: &[(&str, u8)]) -> WebhookKeys {
    WebhookKeys::from_json(&keys(of)).unwrap()
}

/// One request of the provider, as it came.
#[derive(Clone)]
pub struct Came {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What receives notices. It answers 200 until it is told otherwise.
pub struct Webhook {
    pub url: String,
    came: Arc<Mutex<Vec<Came>>>,
    status: Arc<AtomicU16>,
    news: Arc<Notify>,
    server: JoinHandle<()>,
}

impl Webhook {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let came = Arc::<Mutex<Vec<Came>>>::default();
        let (status, news) = (Arc::new(AtomicU16::new(200)), Arc::new(Notify::new()));
        let shared = (Arc::clone(&came), Arc::clone(&status), Arc::clone(&news));
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (came, status, news) = shared.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let (came, status) = (Arc::clone(&came), Arc::clone(&status));
                    let news = Arc::clone(&news);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        came.lock().unwrap().push(Came { headers: head.headers, body });
                        news.notify_one();
                        let status = status.load(Ordering::Relaxed);
                        let answer = Response::builder().status(status).body(Full::default());
                        Ok::<Response<Full<Bytes>>, Infallible>(answer.unwrap())
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, came, status, news, server }
    }

    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// What came, once it is as many as this.
    pub async fn until(&self, count: usize) -> Vec<Came> {
        let waiting = async {
            while self.came().len() < count {
                self.news.notified().await;
            }
            self.came()
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the notices come")
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A provider whose time passes when a test says so, and everything around it.
pub struct World {
    pub provider: Running,
    pub webhook: Webhook,
    pub payments: Payments,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|options| options).await
    }

    pub async fn kept_in(directory: &Path) -> Self {
        Self::with(|options| Options { data: Some(directory.to_owned()), ..options }).await
    }

    pub async fn with(change: impl FnOnce(Options) -> Options) -> Self {
        let webhook = Webhook::start().await;
        let keys = Keys::new(webhook_keys(&[("k1", 1), ("k2", 2)]));
        let options = Options {
            pace: Pace::Driven,
            delays: Delays { silence: Duration::from_secs(600), ..Delays::default() },
            ..Options::new(&webhook.url, keys, API_KEY.into())
        };
        let provider = Provider::start(change(options)).await.unwrap();
        let payments = port(&provider.url, API_KEY, Duration::from_secs(20));
        Self { provider, webhook, payments }
    }

    /// The port, for a caller who does not wait long.
    pub fn impatient(&self) -> Payments {
        port(&self.provider.url, API_KEY, IMPATIENCE)
    }

    pub async fn charge(&self, token: &str) -> Payment {
        self.payments.charge(charge(token)).await.unwrap()
    }

    /// Lets a minute pass.
    pub async fn advance(&self) {
        self.provider.advance(Duration::from_secs(60)).await;
    }

    /// What came so far, read as a function would.
    pub async fn told(&self) -> Vec<Notice> {
        read(&self.webhook.came()).await
    }
}

pub async fn read(came: &[Came]) -> Vec<Notice> {
    let mut told = Vec::new();
    for came in came {
        told.push(read_with(&[("k1", 1), ("k2", 2)], came).await.unwrap());
    }
    told
}

/// Reads a notice as a function with these keys would.
pub async fn read_with(of: &[(&str, u8)], came: &Came) -> Result<Notice, NoticeError> {
    notices(&keys(of)).read(&came.headers, &came.body, Clock::system().now()).await
}

/// What the notices say of the payment.
pub fn standings(told: &[Notice]) -> Vec<&'static str> {
    told.iter().map(|notice| notice.payment.as_ref().unwrap().standing.as_str()).collect()
}

fn deps(url: &str, timeout: Duration) -> Deps {
    let env = [
        ("PAYMENT_PROVIDER", "simulated".to_owned()),
        ("PAYMENT_PROVIDER_URL", url.to_owned()),
        ("PAYMENT_PROVIDER_TIMEOUT_MS", timeout.as_millis().to_string()),
        ("PAYMENT_PROVIDER_SECRET", "payment-provider".to_owned()),
        ("PAYMENT_WEBHOOK_KEYS_SECRET", "payment-webhook-keys".to_owned()),
    ];
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value));
    Deps::new(env.collect(), Clock::system(), Entropy::system())
}

pub fn port(url: &str, api_key: &str, timeout: Duration) -> Payments {
    let secret = format!(r#"{{"api_key":"{api_key}"}}"#);
    deps(url, timeout).with_secrets([("payment-provider", &secret)]).payments().unwrap()
}

fn notices(keys: &str) -> Notices {
    let deps = deps("http://127.0.0.1:9", IMPATIENCE);
    deps.with_secrets([("payment-webhook-keys", keys)]).payment_notices().unwrap()
}

pub fn receipt() -> ReceiptId {
    ReceiptId::from_bytes([1; 16])
}

pub fn order() -> Order {
    Order {
        receipt: receipt(),
        player: PlayerId::from_bytes([2; 16]),
        product: "gold_pack_s".to_owned(),
        amount_minor: 4_900,
        currency: "KRW".to_owned(),
    }
}

pub fn charge(token: &str) -> Charge {
    Charge { order: order(), token: token.into() }
}

pub fn declined(reason: &str) -> Standing {
    Standing::Declined { reason: reason.to_owned() }
}

/// A clock that stands.
pub fn stopped() -> Clock {
    Clock::new(|| Timestamp::from_second(1_800_000_000).unwrap())
}
