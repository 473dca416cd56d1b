//! Requests to receivers that somebody else has named.
//!
//! A name is resolved here, once, every address it has is checked, and the connection
//! goes to one of exactly those addresses: between check and connection there is no
//! second look-up that could answer otherwise ("DNS rebinding"). No redirect is
//! followed, no connection is kept, and of an answer only the status is looked at.
//!
//! TLS trusts the system's roots, as ClickHouse's connection does: a receiver may have
//! its certificate from any public authority, so Amazon's own roots (see `aws.rs`) are
//! too few, and the image brings and updates these anyway.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
    vec,
};

use axum::http::{HeaderMap, Method, Request, Uri, uri::PathAndQuery};
use bytes::Bytes;
use domain::webhook::{Failure, Host, Reach, Target};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::TokioExecutor,
};
use tower::Service;

use crate::boxed;

/// For finding out a name's addresses.
const RESOLVE: Duration = Duration::from_secs(3);
/// For connecting to one of them.
const CONNECT: Duration = Duration::from_secs(3);
/// For connecting, sending and waiting for the status.
const TOTAL: Duration = Duration::from_secs(10);
/// Of an answer's body, so that an honest receiver sees it taken. It goes nowhere.
const BODY_BYTES: usize = 4 * 1024;
/// For that.
const BODY: Duration = Duration::from_secs(1);
/// Of an answer's head. The least hyper takes is 8 KiB.
const HEAD_BYTES: usize = 16 * 1024;

/// A client of receivers within a [`Reach`]. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    /// Made when first needed: reading the system's roots takes its time.
    client: Arc<OnceLock<HttpClient>>,
    resolver: Resolver,
    /// For everything up to the status.
    total: Duration,
}

type HttpClient = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

impl Egress {
    /// A client that resolves names as the system does.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::with(Resolver::new(reach))
    }

    fn with(resolver: Resolver) -> Self {
        Self { client: Arc::default(), resolver, total: TOTAL }
    }

    /// Posts `body`; the status of the answer.
    ///
    /// # Errors
    /// There was none. What was sent may have arrived nevertheless.
    ///
    /// # Panics
    /// When the system has no root certificates.
    #[boxed]
    pub async fn post(
        &self,
        target: &Target,
        headers: Headers,
        body: String,
    ) -> Result<u16, Failure> {
        self.resolver.admit_literal(target)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri(target).map_err(|_| Failure::NotAllowed)?;
        *request.headers_mut() = headers.0;
        let client = self.client.get_or_init(|| client(self.resolver.clone()));
        let answer = tokio::time::timeout(self.total, client.request(request)).await;
        let answer = answer.map_err(|_| Failure::TimedOut)?.map_err(|error| failure(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), BODY_BYTES).collect();
        // Whatever becomes of it, the receiver has spoken.
        let _ = tokio::time::timeout(BODY, body).await;
        Ok(status)
    }
}

fn client(resolver: Resolver) -> HttpClient {
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .expect("the image has root certificates")
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        // A connection that is kept goes to an address that was checked long ago.
        .pool_max_idle_per_host(0)
        // What was sent may have arrived: trying again is for who counts attempts.
        .retry_canceled_requests(false)
        .http1_max_buf_size(HEAD_BYTES)
        .build(connector)
}

/// Headers of a request.
#[derive(Debug, Default)]
pub struct Headers(HeaderMap);

impl Headers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more.
    ///
    /// # Panics
    /// When the value is not of visible ASCII: it is of the caller's own making.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.insert(name, value.parse().expect("visible ASCII"));
        self
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("reach", &self.resolver.reach).finish_non_exhaustive()
    }
}

/// From the parts that were checked, never from the text they were read from.
fn uri(target: &Target) -> Result<Uri, axum::http::Error> {
    Uri::builder()
        .scheme(if target.secure { "https" } else { "http" })
        .authority(target.authority())
        .path_and_query(PathAndQuery::try_from(target.path_and_query.as_str())?)
        .build()
}

/// What was in the way, by everything behind the error.
fn failure(error: &legacy::Error) -> Failure {
    let causes =
        std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| {
            error.source()
        });
    for cause in causes {
        if let Some(Unresolved(failure)) = cause.downcast_ref() {
            return *failure;
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
            return Failure::TimedOut;
        }
    }
    if error.is_connect() { Failure::Unreachable } else { Failure::Broken }
}

/// Finds out whether a target is within reach now, without connecting.
///
/// For who registers it: the answer holds for the moment only, and whoever connects asks
/// again.
#[derive(Clone)]
pub struct Resolver {
    reach: Reach,
    lookup: Arc<dyn Lookup>,
}

impl Resolver {
    /// Resolves names as the system does.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self { reach, lookup: Arc::new(System) }
    }

    /// How far it reaches.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// # Errors
    /// [`Failure::NotAllowed`] when an address of the target's is out of reach, or
    /// [`Failure::Unresolvable`].
    #[boxed]
    pub async fn check(&self, target: &Target) -> Result<(), Failure> {
        match &target.host {
            Host::Address(_) => self.admit_literal(target),
            Host::Name(name) => self.resolve(name.clone()).await.map(drop),
        }
    }

    /// A connector does not ask a resolver about what is an address already.
    fn admit_literal(&self, target: &Target) -> Result<(), Failure> {
        match &target.host {
            Host::Address(address) if !self.reach.admits(*address) => Err(Failure::NotAllowed),
            _ => Ok(()),
        }
    }

    /// The addresses of a name; none of them, when one is out of reach: whoever mixes
    /// them means no good.
    async fn resolve(&self, name: String) -> Result<Vec<IpAddr>, Failure> {
        let found = tokio::time::timeout(RESOLVE, self.lookup.addresses(name)).await;
        let found = found.map_err(|_| Failure::TimedOut)?.map_err(|_| Failure::Unresolvable)?;
        if found.is_empty() {
            return Err(Failure::Unresolvable);
        }
        if found.iter().all(|address| self.reach.admits(*address)) {
            Ok(found)
        } else {
            Err(Failure::NotAllowed)
        }
    }
}

/// A name without an address to connect to; on its way through hyper.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.as_str())]
pub struct Unresolved(Failure);

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = BoxFuture<'static, Result<Self::Response, Unresolved>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.resolve(name.as_str().to_owned()).await.map_err(Unresolved)?;
            // The connector puts the port in.
            let addresses: Vec<_> =
                found.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

/// Where addresses come from.
trait Lookup: Send + Sync {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// `getaddrinfo`.
struct System;

impl Lookup for System {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

#[cfg(test)]
mod tests;
