//! The services over HTTP, for functions that run as processes of their own.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aws_smithy_runtime_api::client::{http::HttpConnector as _, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::{Answer, Engine, Service, connector::InProcess, fresh_id};

/// The engine of one stack on a port of its own. It ends when this is dropped.
pub struct Endpoint {
    /// `http://127.0.0.1:<port>`, for `AWS_ENDPOINT_URL`.
    pub url: String,
    state: Arc<State>,
    server: AbortHandle,
}

#[derive(Default)]
struct State {
    /// The services that cannot be reached, by their names in signatures.
    down: Mutex<BTreeSet<&'static str>>,
    /// Nanoseconds.
    busy: AtomicU64,
}

/// A connection that breaks instead of being answered.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct Broken;

impl Endpoint {
    /// Serves `engine` on any free port.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(engine: &Arc<Engine>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("the AWS endpoint")?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::<State>::default();
        let server = tokio::spawn(serve(listener, Arc::clone(engine), Arc::clone(&state)));
        Ok(Self { url, state, server: server.abort_handle() })
    }

    /// From now on every connection that asks for `service` breaks, for whoever
    /// comes through this endpoint. `@connections` is not behind it: functions ask
    /// the gateway.
    pub fn take_down(&self, service: Service) {
        let mut down = self.state.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.insert(service.prefix());
    }

    /// From now on `service` answers again.
    pub fn bring_back(&self, service: Service) {
        let mut down = self.state.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.remove(service.prefix());
    }

    /// How long the services have worked on answers so far, all together: what a
    /// caller who measures itself has to leave out.
    #[must_use]
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.state.busy.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, engine: Arc<Engine>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, Arc::clone(&engine), Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, engine: Arc<Engine>, state: Arc<State>) {
    // Without this, small answers wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| async {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        answer(&engine, &state, &parts, body).await
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the AWS endpoint broke");
    }
}

async fn answer(
    engine: &Arc<Engine>,
    state: &State,
    parts: &Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Broken> {
    let Some(signer) = Signer::of(parts) else {
        let kind = "MissingAuthenticationTokenException";
        return Ok(reply(parts, Answer::error(403, kind, "Missing Authentication Token")));
    };
    if state.down.lock().unwrap_or_else(PoisonError::into_inner).contains(signer.service) {
        return Err(Broken);
    }
    let Some(request) = sdk_request(parts, body) else {
        return Ok(reply(parts, Answer::error(400, "BadRequest", "a header is not text")));
    };
    let in_process = InProcess::new(Arc::downgrade(engine), signer.caller);
    let started = now();
    let answer = in_process.call(request).await;
    let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    state.busy.fetch_add(nanos, Ordering::Relaxed);
    match answer {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let body = answer.body().bytes().unwrap_or_default().to_vec();
            Ok(reply(parts, Answer { status, body }))
        }
        // The caller is the one to time out.
        Err(error) if error.is_timeout() => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Err(_) => Err(Broken),
    }
}

#[expect(clippy::disallowed_methods, reason = "a duration is what is asked for")]
fn now() -> Instant {
    Instant::now()
}

/// What `Authorization` says of who calls what:
/// `AWS4-HMAC-SHA256 Credential=<access key>/<day>/<region>/<service>/aws4_request, …`.
struct Signer<'a> {
    /// The access key, which for a function is its logical id.
    caller: &'a str,
    service: &'a str,
}

impl<'a> Signer<'a> {
    fn of(parts: &'a Parts) -> Option<Self> {
        let authorization = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (_, credential) = authorization.split_once("Credential=")?;
        let mut scope = credential.split(',').next()?.split('/');
        let caller = scope.next()?;
        Some(Self { caller, service: scope.nth(2)? })
    }
}

/// The request as the SDK hands it to its HTTP client.
fn sdk_request(parts: &Parts, body: Bytes) -> Option<HttpRequest> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method(parts.method.as_str()).ok()?;
    request.set_uri(parts.uri.to_string()).ok()?;
    for (name, value) in &parts.headers {
        request.headers_mut().append(name.as_str().to_owned(), value.to_str().ok()?.to_owned());
    }
    Some(request)
}

fn reply(parts: &Parts, answer: Answer) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::from(answer.body));
    *reply.status_mut() =
        StatusCode::from_u16(answer.status).expect("services answer with valid statuses");
    let headers = reply.headers_mut();
    let json = HeaderValue::from_static("application/x-amz-json-1.0");
    let kind = parts.headers.get(header::CONTENT_TYPE).cloned().unwrap_or(json);
    headers.insert(header::CONTENT_TYPE, kind);
    let id = HeaderValue::from_str(&fresh_id().to_string()).expect("ids are plain ASCII");
    headers.insert("x-amzn-requestid", id);
    reply
}
