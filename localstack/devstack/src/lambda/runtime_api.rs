//! The Runtime API of one execution environment.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

const PREFIX: &str = "/2018-06-01/runtime/";

/// One invocation, as `next` gives it.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) deadline_ms: i64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
}

/// What the process said.
#[derive(Debug)]
pub(super) enum Said {
    /// It asks for an event; so it has initialised.
    Next,
    /// It answers the invocation that it was given.
    Response(Bytes),
    /// It begins to; pieces follow until the channel closes.
    Streaming(Pieces),
    /// The invocation that it was given failed.
    Error { kind: String, body: Bytes },
    /// It will never ask for an event.
    InitError { kind: String, body: Bytes },
}

/// An answer that comes piece by piece. Nothing follows an error.
pub(super) type Pieces = mpsc::UnboundedReceiver<Result<Bytes, hyper::Error>>;

/// A server for one process. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    /// `127.0.0.1:<port>`
    pub(super) address: SocketAddr,
    invocations: mpsc::Sender<Invocation>,
    said: mpsc::UnboundedReceiver<Said>,
    server: AbortHandle,
}

struct State {
    invocations: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    said: mpsc::UnboundedSender<Said>,
    /// The invocation that is under way.
    current: Mutex<Option<String>>,
}

impl RuntimeApi {
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (invocations, given) = mpsc::channel(1);
        let (says, said) = mpsc::unbounded_channel();
        let state = State { invocations: given.into(), said: says, current: Mutex::default() };
        let server = tokio::spawn(serve(listener, Arc::new(state))).abort_handle();
        Ok(Self { address, invocations, said, server })
    }

    /// Hands `invocation` to the process when it asks for it.
    pub(super) async fn offer(&self, invocation: Invocation) {
        // The server ends with `self` only.
        let _ = self.invocations.send(invocation).await;
    }

    /// What the process says next.
    pub(super) async fn said(&mut self) -> Said {
        match self.said.recv().await {
            Some(said) => said,
            // The server ends with `self` only.
            None => std::future::pending().await,
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Without this, small answers wait for the peer's acknowledgement.
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&state);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(state.answer(request).await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let kind = parts.headers.get("lambda-runtime-function-error-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("Unhandled").to_owned();
        let mode = parts.headers.get("lambda-runtime-function-response-mode");
        let streams = mode.is_some_and(|mode| mode == "streaming");
        match (parts.method, &*path.split('/').collect::<Vec<_>>()) {
            (Method::GET, ["invocation", "next"]) => self.next().await,
            (Method::POST, ["init", "error"]) => match body.collect().await {
                Ok(body) => self.hear(Said::InitError { kind, body: body.to_bytes() }),
                Err(error) => refuse(StatusCode::BAD_REQUEST, "Body", &error.to_string()),
            },
            (Method::POST, ["invocation", id, "response"]) if streams => {
                self.pass_on(id, body).await
            }
            (Method::POST, ["invocation", id, what @ ("response" | "error")]) => {
                match body.collect().await {
                    Err(error) => refuse(StatusCode::BAD_REQUEST, "Body", &error.to_string()),
                    Ok(_) if !self.finish(id) => unknown(),
                    Ok(body) if *what == "response" => self.hear(Said::Response(body.to_bytes())),
                    Ok(body) => self.hear(Said::Error { kind, body: body.to_bytes() }),
                }
            }
            _ => refuse(StatusCode::NOT_FOUND, "InvalidPath", "no such call of the Runtime API"),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let _ = self.said.send(Said::Next);
        let Some(invocation) = self.invocations.lock().await.recv().await else {
            return refuse(StatusCode::GONE, "Shutdown", "the environment is shutting down");
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(invocation.request_id.clone());
        let answer = Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .header("lambda-runtime-aws-request-id", invocation.request_id)
            .header("lambda-runtime-deadline-ms", invocation.deadline_ms)
            .header("lambda-runtime-invoked-function-arn", invocation.function_arn)
            .header("lambda-runtime-trace-id", invocation.trace_id)
            .body(Full::from(invocation.payload));
        answer.expect("names and values of these headers are plain ASCII")
    }

    /// Hears an answer while it is given.
    async fn pass_on(&self, id: &str, mut body: Incoming) -> Response<Full<Bytes>> {
        if !self.finish(id) {
            return unknown();
        }
        let (pieces, given) = mpsc::unbounded_channel();
        let heard = self.hear(Said::Streaming(given));
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data()) {
                // Nobody listens any more when the environment is going away.
                Ok(Ok(piece)) => drop(pieces.send(Ok(piece))),
                // Trailers, which say what broke off.
                Ok(Err(_)) => {}
                Err(error) => {
                    let message = error.to_string();
                    drop(pieces.send(Err(error)));
                    return refuse(StatusCode::BAD_REQUEST, "Body", &message);
                }
            }
        }
        heard
    }

    /// Whether `id` is the invocation under way; it is not any more.
    fn finish(&self, id: &str) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| current == id).is_some()
    }

    fn hear(&self, said: Said) -> Response<Full<Bytes>> {
        // Nobody listens any more when the environment is going away.
        let _ = self.said.send(said);
        reply(StatusCode::ACCEPTED, json!({ "status": "OK" }).to_string())
    }
}

fn unknown() -> Response<Full<Bytes>> {
    refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    reply(status, json!({ "errorType": kind, "errorMessage": message }).to_string())
}

fn reply(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(header::CONTENT_TYPE, json);
    reply
}
