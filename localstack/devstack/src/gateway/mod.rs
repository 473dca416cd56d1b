//! API Gateway: the HTTP API, the WebSocket API and REST APIs that stream on one listener.
//!
//! The listener is a domain to which all of them are mapped. The WebSocket API is its
//! stage's path, `/realtime`; REST APIs are where the template maps them; everything else is
//! the HTTP API, whose stage is `$default`. Events and answers are AWS's.

mod cors;
mod event;
mod http;
mod reply;
mod routes;
mod socket;
mod socket_event;
mod sockets;
mod streams;

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc};

use ::http::{Method, Request, Response, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

use self::{
    http::HttpApi,
    socket::SocketApi,
    streams::{StreamApi, StreamedBody},
};
pub use self::{socket::SocketLimits, sockets::Sockets};
use crate::{engine::Engine, invoke::Invoker, spec::Spec};

/// Identifier of all APIs in requests' contexts.
pub const API_ID: &str = "local";
/// Stage of the WebSocket API, and the first part of its paths.
pub const SOCKET_STAGE: &str = "realtime";

/// Paths that belong to no API.
pub const LOCAL_PREFIX: &str = "/_local/";

type Reply = Response<Full<Bytes>>;

/// All APIs of one stack.
pub struct Gateway {
    http: HttpApi,
    streams: StreamApi,
    socket: SocketApi,
    local: Option<Arc<dyn LocalApi>>,
}

/// What the local stack answers itself, under [`LOCAL_PREFIX`].
#[async_trait]
pub trait LocalApi: Send + Sync {
    /// Answers a request for what is behind the prefix.
    async fn answer(&self, method: &Method, path: &str) -> (StatusCode, LocalAnswer);
}

/// An answer of the local stack's own.
#[derive(Debug)]
pub enum LocalAnswer {
    Json(Value),
    /// A page without scripts, of this machine's own making.
    Html(String),
}

/// Whole, or still being given.
type ReplyBody = Either<Full<Bytes>, StreamedBody>;

/// Held by everything that must finish before the gateway has shut down.
type Guard = mpsc::Sender<Infallible>;

impl Gateway {
    /// The APIs that `spec` declares, in front of `invoker`.
    #[must_use]
    pub fn new(spec: &Spec, engine: &Engine, invoker: Arc<dyn Invoker>) -> Self {
        Self {
            http: HttpApi::new(spec, invoker.clone()),
            streams: StreamApi::new(spec, invoker.clone()),
            socket: SocketApi::new(spec, engine.sockets().clone(), invoker),
            local: None,
        }
    }

    /// With answers of the local stack's own beside the two APIs.
    #[must_use]
    pub fn with_local(mut self, local: Arc<dyn LocalApi>) -> Self {
        self.local = Some(local);
        self
    }

    /// With other limits for sockets than AWS's.
    #[must_use]
    pub fn with_socket_limits(mut self, limits: SocketLimits) -> Self {
        self.socket.limits = limits;
        self
    }

    /// Serves `listener` until `shutdown` is ready; then lets requests finish,
    /// closes sockets with 1001, waits for their `$disconnect`, and returns.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        let gateway = Arc::new(self);
        let (closing, _) = watch::channel(false);
        let (guard, mut guarded) = mpsc::channel(1);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let connection =
                            gateway.clone().connection(stream, peer, closing.subscribe(), guard.clone());
                        connections.spawn(connection);
                    }
                    // Of one connection, or of the whole process (too many
                    // files); either way the next accept may succeed.
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::task::yield_now().await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        closing.send_replace(true);
        gateway.socket.sockets.close_all();
        while connections.join_next().await.is_some() {}
        // A handshake that was under way may have opened one more.
        gateway.socket.sockets.close_all();
        drop(guard);
        while guarded.recv().await.is_some() {}
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        mut closing: watch::Receiver<bool>,
        guard: Guard,
    ) {
        // Small answers must not wait for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let streams_end = closing.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (gateway, guard, closing) = (self.clone(), guard.clone(), streams_end.clone());
            async move {
                Ok::<_, Infallible>(match gateway.streams.claims(request.uri().path()) {
                    Some(route) => gateway.streams.request(route, &request, peer, closing).await,
                    None => gateway.request(request, peer, guard).await.map(Either::Left),
                })
            }
        });
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = &mut connection => served,
            () = async { drop(closing.wait_for(|closing| *closing).await) } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn request(&self, request: Request<Incoming>, peer: SocketAddr, guard: Guard) -> Reply {
        if let (Some(local), Some(path)) =
            (&self.local, request.uri().path().strip_prefix(LOCAL_PREFIX))
        {
            let (status, body) = local.answer(request.method(), path).await;
            return match body {
                LocalAnswer::Json(body) => json(status, &body),
                LocalAnswer::Html(page) => html(status, page),
            };
        }
        match self.socket.claims(&request) {
            Some(path) => self.socket.request(path, request, peer, guard).await,
            None => self.http.request(request, peer).await,
        }
    }
}

/// A random id in the form API Gateway gives requests and connections.
fn random_id() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE};
    let mut bytes = [0; 11];
    fill(&mut bytes);
    URL_SAFE.encode(bytes)
}

#[expect(clippy::disallowed_methods, reason = "the gateway's dice, not a function's")]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives randomness");
}

/// A JSON answer of the gateway itself.
fn message(status: StatusCode, text: &str) -> Reply {
    json(status, &serde_json::json!({ "message": text }))
}

fn json(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Response::new(Full::from(body.to_string()));
    *reply.status_mut() = status;
    let json = ::http::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(::http::header::CONTENT_TYPE, json);
    reply
}

/// A page that may show what others wrote: nothing in it runs, whatever it is.
fn html(status: StatusCode, page: String) -> Reply {
    use ::http::{HeaderValue, header};
    let mut reply = Response::new(Full::from(page));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    let policy = HeaderValue::from_static("default-src 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    reply
}

/// A body that can be read to its end, if it is no longer than `limit`.
async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, StatusCode> {
    use http_body_util::{BodyExt as _, LengthLimitError, Limited};
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

#[cfg(test)]
mod tests;
