//! Starting and stopping.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::Router;
use contract::Secret;
use domain::ReceiptId;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use runtime::{
    Clock, Entropy,
    payments::{WebhookKeys, simulated::wire},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tower::ServiceExt as _;

use crate::{
    api,
    book::{Entry, Sent},
    deliver,
    record::Log,
    service::{Delays, Keys, Parts, Refusal, Service},
};

/// How a provider is to be.
#[derive(Clone)]
pub struct Options {
    /// 0 for any free port.
    pub port: u16,
    /// Where notices go.
    pub webhook_url: String,
    pub keys: Keys,
    /// What callers have to present.
    pub api_key: Secret,
    /// Where the book is kept; `None` for memory.
    pub data: Option<PathBuf>,
    pub delays: Delays,
    pub pace: Pace,
    pub clock: Clock,
    pub entropy: Entropy,
}

/// Who lets time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It passes by itself.
    ByItself,
    /// Nothing happens by itself, only within [`Running::advance`] or
    /// `POST /v1/advance`.
    Driven,
}

impl Options {
    /// In memory, on any port, with the machine's clock and dice.
    #[must_use]
    pub fn new(webhook_url: impl Into<String>, keys: Keys, api_key: Secret) -> Self {
        Self {
            port: 0,
            webhook_url: webhook_url.into(),
            keys,
            api_key,
            data: None,
            delays: Delays::default(),
            pace: Pace::ByItself,
            clock: Clock::system(),
            entropy: Entropy::system(),
        }
    }
}

/// The simulated provider.
#[derive(Debug)]
pub struct Provider;

impl Provider {
    /// Starts one; it answers when this returns.
    ///
    /// # Errors
    /// The port is taken, or the book cannot be read.
    pub async fn start(options: Options) -> Result<Running> {
        let Options { port, webhook_url, keys, api_key, data, delays, pace, clock, entropy } =
            options;
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("port {port} is not free"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let parts = Parts { keys, api_key, webhook_url, delays, clock, entropy };
        let by_itself = pace == Pace::ByItself;
        let service = Service::new(parts, Log::open(data.as_deref())?, by_itself)?;
        let service = Arc::new(service);
        let driver = by_itself.then(|| tokio::spawn(deliver::drive(Arc::clone(&service))));
        let server = tokio::spawn(serve(listener, api::router(Arc::clone(&service))));
        Ok(Running { url, service, tasks: driver.into_iter().chain([server]).collect() })
    }
}

/// A running provider. Dropping it stops it at once.
pub struct Running {
    /// `http://127.0.0.1:<port>`
    pub url: String,
    service: Arc<Service>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Everything it believes, by receipt.
    #[must_use]
    pub fn book(&self) -> Vec<Entry> {
        self.service.entries()
    }

    /// Every notice, in the order in which they were written.
    #[must_use]
    pub fn notices(&self) -> Vec<Sent> {
        self.service.sent()
    }

    /// From the next attempt on, signs with the active one of these. The receiver
    /// should have them first.
    pub fn rotate(&self, keys: WebhookKeys) {
        self.service.keys.rotate(keys);
    }

    /// Lets `by` pass at once: everything that becomes due within happens before this
    /// returns, each notice with its answer.
    pub async fn advance(&self, by: Duration) {
        self.service.advance(by).await;
    }

    /// Gives the money back, as the provider's own staff does.
    ///
    /// # Errors
    /// The payment is unknown or did not succeed.
    pub fn refund(&self, receipt: ReceiptId) -> Result<wire::Payment, Refusal> {
        self.service.refund(receipt)
    }

    /// What a bank does.
    ///
    /// # Errors
    /// The payment is unknown or did not succeed.
    pub fn charge_back(&self, receipt: ReceiptId) -> Result<wire::Payment, Refusal> {
        self.service.charge_back(receipt)
    }

    /// Stops, and returns when it has. What was still to be done is done after a
    /// restart, if there is a directory.
    pub async fn shutdown(mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            // It was stopped: that is no news.
            let _ = task.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("url", &self.url).finish_non_exhaustive()
    }
}

async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, router.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move { router.oneshot(request).await }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%error, "a connection broke");
    }
}
