//! What is the same for every HTTP function.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use contract::Code;
use futures::FutureExt;

use super::{Meta, scope::Scope};
use crate::{
    Clock, Deps, Entropy, Problem,
    auth::JwtKeys,
    metrics::{self, HttpRequest},
    secrets::Rotating,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps a function's routes in what is the same for all: request id, language,
/// `404` and `405` as problems, panics as `500`, security headers, one log line
/// and one metrics record per request.
///
/// None of the routes can be [`super::guarded`]; see [`signed_in_app`].
pub fn app(routes: impl Into<Router>, deps: &Deps) -> Router {
    wrap(routes.into(), deps, None)
}

/// The same for routes some of which are [`super::guarded`]: their callers are
/// known by an access token that one of the keys signed.
pub fn signed_in_app(routes: impl Into<Router>, deps: &Deps, keys: Rotating<JwtKeys>) -> Router {
    wrap(routes.into(), deps, Some(keys))
}

fn wrap(routes: Router, deps: &Deps, keys: Option<Rotating<JwtKeys>>) -> Router {
    let shared = Shared {
        clock: deps.clock.clone(),
        entropy: deps.entropy.clone(),
        keys,
        stage: deps.env.get("STAGE").unwrap_or("dev").into(),
    };
    routes
        .fallback(|| async { Problem::new(Code::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(Code::MethodNotAllowed) })
        .layer(middleware::from_fn_with_state(shared, around))
}

#[derive(Clone)]
struct Shared {
    clock: Clock,
    entropy: Entropy,
    keys: Option<Rotating<JwtKeys>>,
    stage: Arc<str>,
}

/// The request as the log line names it: never its query, headers or body.
struct Asked {
    method: Method,
    path: String,
    /// The route's template, so that lines of one route group.
    route: String,
}

async fn around(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let started = metrics::Stopwatch::start();
    let (mut parts, body) = request.into_parts();
    let asked = Asked {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        route: parts
            .extensions
            .get::<MatchedPath>()
            .map_or("unmatched", MatchedPath::as_str)
            .to_owned(),
    };
    let scope = Arc::new(Scope {
        meta: Meta::sample(&parts, &shared.clock, &shared.entropy),
        keys: shared.keys.clone(),
        player: OnceLock::new(),
    });
    parts.extensions.insert(scope.clone());

    let answered =
        AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind().await;
    let mut response =
        answered.unwrap_or_else(|panic| Problem::internal(Panicked::from(panic)).into_response());
    let problem = response.extensions_mut().remove::<Problem>();
    let meta = &scope.meta;
    if let Some(problem) = &problem {
        problem.reword(&mut response, meta.language, &asked.path, &meta.request_id);
    }
    harden(response.headers_mut());
    if let Ok(id) = HeaderValue::from_str(&meta.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }

    let duration_ms = started.elapsed_ms();
    log(&asked, &scope, response.status(), problem.as_ref(), duration_ms);
    metrics::record(HttpRequest::new(
        meta.now,
        shared.stage.to_string(),
        asked.route,
        asked.method.to_string(),
        response.status().as_u16(),
        duration_ms,
    ));
    response
}

/// Headers every answer has, unless it says otherwise itself.
fn harden(headers: &mut HeaderMap) {
    const DEFAULTS: [(HeaderName, &str); 8] = [
        (header::CACHE_CONTROL, "no-store"),
        // Names, problems and all other words are in the reader's language.
        (header::VARY, "accept-language"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
        // Pages of other origins read answers by CORS, or not at all.
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The one line a request leaves, with the failure's causes when it failed.
fn log(
    asked: &Asked,
    scope: &Scope,
    status: StatusCode,
    problem: Option<&Problem>,
    duration_ms: f64,
) {
    let Asked { method, path: _, route } = asked;
    let Meta { request_id, trace_id, .. } = &scope.meta;
    let player = scope.player.get().map(tracing::field::display);
    let code = problem.map(|problem| problem.code().as_str());
    let cause = problem.and_then(Problem::cause_chain);
    let status = status.as_u16();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "http", %method, route, status, duration_ms, request_id, trace_id, player,
                code, cause, "{method} {route} {status}"
            )
        };
    }
    match status {
        500 => line!(error),
        501.. => line!(warn),
        _ => line!(info),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
struct Panicked(String);

impl From<Box<dyn Any + Send>> for Panicked {
    fn from(panic: Box<dyn Any + Send>) -> Self {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Self(message.unwrap_or_else(|| "with something other than text".to_owned()))
    }
}
