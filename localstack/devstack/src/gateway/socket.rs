//! The WebSocket API.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use ::http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    Guard, Reply, SOCKET_STAGE, message, read_body,
    socket_event::Connection,
    sockets::{Attached, FRAME_MAX, MESSAGE_MAX, Sockets},
};
use crate::{invoke::Invoker, spec::Spec};

/// Where the socket is when it shares a domain with the HTTP API, whose owner sends this
/// path on to the stage.
const BEHIND_A_DOMAIN: &str = "/api/realtime/sync";

/// How long a closed socket may take to say good-bye.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// When API Gateway closes a socket by itself.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Without a message in either direction.
    pub idle: Duration,
    /// At all.
    pub life: Duration,
}

impl Default for SocketLimits {
    /// AWS's: 10 minutes and 2 hours.
    fn default() -> Self {
        Self { idle: Duration::from_secs(10 * 60), life: Duration::from_secs(2 * 60 * 60) }
    }
}

pub(super) struct SocketApi {
    /// Function by route key.
    routes: HashMap<String, String>,
    pub(super) sockets: Sockets,
    invoker: Arc<dyn Invoker>,
    pub(super) limits: SocketLimits,
}

/// What of the WebSocket API a request is for.
pub(super) enum Path {
    Open,
    Manage { id: String },
}

/// What a running socket needs.
struct Session {
    connection: Connection,
    routes: HashMap<String, String>,
    sockets: Sockets,
    invoker: Arc<dyn Invoker>,
    limits: SocketLimits,
    guard: Guard,
}

impl SocketApi {
    pub(super) fn new(spec: &Spec, sockets: Sockets, invoker: Arc<dyn Invoker>) -> Self {
        let routes = spec.socket_routes.iter();
        Self {
            routes: routes.map(|r| (r.route_key.clone(), r.function.clone())).collect(),
            sockets,
            invoker,
            limits: SocketLimits::default(),
        }
    }

    /// Whether `request` is for this API. A plain request for the socket's
    /// path is not: the two APIs share a host here only.
    pub(super) fn claims(&self, request: &Request<Incoming>) -> Option<Path> {
        let path = request.uri().path();
        let path = if path == BEHIND_A_DOMAIN {
            ""
        } else {
            path.strip_prefix('/')?.strip_prefix(SOCKET_STAGE)?
        };
        if let Some(id) = path.strip_prefix("/@connections/") {
            let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
            return Some(Path::Manage { id });
        }
        let upgrade = request.headers().get(header::UPGRADE);
        let websocket = upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let ours = websocket && !self.routes.is_empty() && matches!(path, "" | "/");
        ours.then_some(Path::Open)
    }

    pub(super) async fn request(
        &self,
        path: Path,
        request: Request<Incoming>,
        peer: SocketAddr,
        guard: Guard,
    ) -> Reply {
        match path {
            Path::Open => self.open(request, peer, guard).await,
            Path::Manage { id } => self.manage(&id, request).await,
        }
    }

    async fn manage(&self, id: &str, request: Request<Incoming>) -> Reply {
        let operation = match *request.method() {
            Method::POST => "PostToConnection",
            Method::GET => "GetConnection",
            Method::DELETE => "DeleteConnection",
            _ => "",
        };
        // One byte more than allowed, so that the service refuses it.
        let body = match read_body(request.into_body(), MESSAGE_MAX + 1).await {
            Ok(body) => body,
            Err(status) => return message(status, "Message too long"),
        };
        let answer = self.sockets.manage(operation, id, &body);
        let status = StatusCode::from_u16(answer.status).expect("the service's statuses are valid");
        let mut reply = Response::new(Full::from(answer.body));
        *reply.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        reply.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::GONE {
            let gone = HeaderValue::from_static("GoneException");
            reply.headers_mut().insert("x-amzn-errortype", gone);
        }
        reply
    }

    async fn open(&self, request: Request<Incoming>, peer: SocketAddr, guard: Guard) -> Reply {
        let (mut parts, _) = request.into_parts();
        let Some(accept) = accept_key(&parts) else {
            return message(StatusCode::BAD_REQUEST, "Bad Request");
        };
        let connection = Connection::new(&parts, peer);
        let protocol = match self.connect(&connection, &parts).await {
            Ok(protocol) => protocol,
            Err(refusal) => return refusal,
        };
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let Some(upgrade) = upgrade else {
            return message(StatusCode::BAD_REQUEST, "Bad Request");
        };
        let Connection { id, connected_at, source_ip, user_agent, .. } = &connection;
        let attached = self.sockets.attach(id, *connected_at, source_ip, user_agent);
        let session = Session {
            connection,
            routes: self.routes.clone(),
            sockets: self.sockets.clone(),
            invoker: self.invoker.clone(),
            limits: self.limits,
            guard,
        };
        tokio::spawn(session.run(upgrade, attached));
        let mut reply = Response::new(Full::default());
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = reply.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        reply
    }

    /// Asks `$connect`; the answer's subprotocol, or the refusal.
    async fn connect(
        &self,
        connection: &Connection,
        parts: &Parts,
    ) -> Result<Option<HeaderValue>, Reply> {
        let Some(function) = self.routes.get("$connect") else {
            return Ok(None);
        };
        let event = connection.connect(parts);
        let answer = self.invoker.invoke(function, event).await.map_err(|error| {
            tracing::warn!(%error, "$connect failed");
            message(StatusCode::BAD_GATEWAY, "Internal server error")
        })?;
        let status = answer["statusCode"].as_u64().and_then(|code| u16::try_from(code).ok());
        match status.and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(status) if status.is_success() => Ok(subprotocol(&answer)),
            Some(status) if !status.is_informational() => {
                let text = status.canonical_reason().unwrap_or("Forbidden");
                Err(message(status, text))
            }
            _ => Err(message(StatusCode::BAD_GATEWAY, "Internal server error")),
        }
    }
}

impl Session {
    async fn run(self, upgrade: OnUpgrade, attached: Attached) {
        let (code, reason) = match upgrade.await {
            Ok(upgraded) => {
                let config = WebSocketConfig::default()
                    .max_message_size(Some(MESSAGE_MAX))
                    .max_frame_size(Some(FRAME_MAX));
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                self.converse(socket, attached).await
            }
            Err(_) => (CloseCode::Abnormal, String::new()),
        };
        self.sockets.detach(&self.connection.id);
        if let Some(function) = self.routes.get("$disconnect") {
            let event = self.connection.disconnect(code.into(), &reason);
            if let Err(error) = self.invoker.invoke(function, event).await {
                tracing::warn!(%error, "$disconnect failed");
            }
        }
    }

    /// Until one side ends it; how it ended.
    async fn converse(
        &self,
        mut socket: WebSocketStream<TokioIo<Upgraded>>,
        mut attached: Attached,
    ) -> (CloseCode, String) {
        let end = tokio::time::sleep_until(Instant::now() + self.limits.life);
        tokio::pin!(end);
        let mut last = Instant::now();
        let code = loop {
            tokio::select! {
                code = stopped(&mut attached.stop) => break code,
                () = &mut end => break CloseCode::Away,
                () = tokio::time::sleep_until(last + self.limits.idle) => break CloseCode::Away,
                Some(message) = attached.outbound.recv() => {
                    last = Instant::now();
                    let sending = socket.send(message);
                    tokio::pin!(sending);
                    let (sent, stop) = tokio::select! {
                        biased;
                        sent = &mut sending => (sent.is_ok(), None),
                        // What was begun is ended first: half a frame cannot be followed
                        // by why it ends.
                        code = stopped(&mut attached.stop) => {
                            let sent = tokio::time::timeout(CLOSE_GRACE, sending).await;
                            (matches!(sent, Ok(Ok(()))), Some(code))
                        }
                    };
                    if !sent {
                        // A client that does not read can not be told why.
                        return (CloseCode::Abnormal, String::new());
                    }
                    if let Some(code) = stop {
                        break code;
                    }
                }
                read = socket.next() => match read {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                        last = Instant::now();
                        self.sockets.active(&self.connection.id);
                        self.route(&message);
                    }
                    Some(Ok(Message::Close(frame))) => {
                        let frame = frame.map(|f| (f.code, f.reason.to_string()));
                        finish(&mut socket).await;
                        return frame.unwrap_or((CloseCode::Status, String::new()));
                    }
                    // The library answers pings.
                    Some(Ok(_)) => {}
                    Some(Err(Error::Capacity(_))) => break CloseCode::Size,
                    Some(Err(_)) | None => return (CloseCode::Abnormal, String::new()),
                },
            }
        };
        // No longer reachable from the moment the close is decided.
        self.sockets.detach(&self.connection.id);
        let reason = match code {
            CloseCode::Away => "Going away",
            CloseCode::Size => "Message too long",
            CloseCode::Policy => "Too slow",
            _ => "",
        };
        let frame = CloseFrame { code, reason: reason.into() };
        let closing = socket.close(Some(frame));
        if let Ok(Ok(())) = tokio::time::timeout(CLOSE_GRACE, closing).await {
            finish(&mut socket).await;
        }
        (code, reason.to_owned())
    }

    /// Starts the message's function. As in AWS, messages of one connection
    /// do not wait for each other, and no route here has a response.
    fn route(&self, message: &Message) {
        let action = message.to_text().ok().and_then(action);
        let chosen = action.and_then(|action| self.routes.get_key_value(&action));
        let chosen = chosen.or_else(|| self.routes.get_key_value("$default"));
        let Some((key, function)) = chosen else {
            tracing::debug!("no route takes the message");
            return;
        };
        let event = self.connection.message(key, message);
        let (invoker, function) = (self.invoker.clone(), function.clone());
        let guard = self.guard.clone();
        tokio::spawn(async move {
            if let Err(error) = invoker.invoke(&function, event).await {
                tracing::warn!(%error, function, "a message failed");
            }
            drop(guard);
        });
    }
}

/// The code the socket is to be closed with, once it is.
async fn stopped(stop: &mut watch::Receiver<Option<CloseCode>>) -> CloseCode {
    let code = stop.wait_for(Option::is_some).await;
    code.ok().and_then(|code| *code).unwrap_or(CloseCode::Away)
}

/// `$request.body.action`. Route keys with `$` are not for clients to name.
fn action(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    let action = body.get("action")?.as_str()?;
    (!action.starts_with('$')).then(|| action.to_owned())
}

/// Reads until the close handshake is through.
async fn finish(socket: &mut WebSocketStream<TokioIo<Upgraded>>) {
    let ended = async { while let Some(Ok(_)) = socket.next().await {} };
    if tokio::time::timeout(CLOSE_GRACE, ended).await.is_err() {
        tracing::debug!("the client did not answer the close frame");
    }
}

fn accept_key(parts: &Parts) -> Option<HeaderValue> {
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY)?;
    let version = parts.headers.get(header::SEC_WEBSOCKET_VERSION)?;
    let valid = parts.method == Method::GET && version == "13";
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok().filter(|_| valid)
}

fn subprotocol(answer: &Value) -> Option<HeaderValue> {
    let headers = answer.get("headers")?.as_object()?;
    let (_, value) =
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))?;
    HeaderValue::from_str(value.as_str()?).ok()
}
