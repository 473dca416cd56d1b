//! Answers, and what is the same about many of them.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::MethodRouter,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::metrics;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// 200 with a JSON body.
pub fn ok<T: Serialize>(body: &T) -> Response {
    json_answer(StatusCode::OK, body)
}

/// 201 with a JSON body.
pub fn created<T: Serialize>(body: &T) -> Response {
    json_answer(StatusCode::CREATED, body)
}

/// A JSON body under any status.
///
/// # Panics
/// When the body does not serialize, which for a contract type is a defect.
pub fn json_answer<T: Serialize>(status: StatusCode, body: &T) -> Response {
    document(status, serde_json::to_vec(body).expect("contract types serialize"))
}

/// A JSON document that is already bytes.
pub fn document(status: StatusCode, json: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(json.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// 200 with server-sent events, in one piece or as they come.
pub fn event_stream(events: impl Into<Body>) -> Response {
    let mut response = Response::new(events.into());
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The answer a journal entry holds, byte for byte; `replayed` when it was given
/// before.
pub fn stored_answer(status: u16, json: impl Into<Bytes>, replayed: bool) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = document(status, json);
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// 200 or another status for the first time, or the same answer again.
///
/// For answers that are rendered each time because the journal may not hold them.
///
/// # Panics
/// As [`json_answer`].
pub fn rendered_answer<T: Serialize>(status: StatusCode, body: &T, replayed: bool) -> Response {
    let json = serde_json::to_vec(body).expect("contract types serialize");
    stored_answer(status.as_u16(), json, replayed)
}

/// The request's `If-None-Match`.
#[derive(Clone, Debug, Default)]
pub struct IfNoneMatch(Option<String>);

impl IfNoneMatch {
    /// Whether the client already has this version. Comparison is weak, as RFC
    /// 9110 asks of `If-None-Match`.
    fn has(&self, etag: &str) -> bool {
        let Some(header) = &self.0 else { return false };
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        header.trim() == "*" || header.split(',').any(|tag| opaque(tag) == opaque(etag))
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let value = parts.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        Ok(Self(value.map(str::to_owned)))
    }
}

/// 200 with `ETag`, or 304 without a body when the client has this version.
///
/// `cache_control` says who may keep it: `private, no-cache` for the caller's own
/// things, `public, max-age=..` for what everybody sees alike.
///
/// # Panics
/// As [`json_answer`].
pub fn ok_if_changed<T: Serialize>(
    body: &T,
    if_none_match: &IfNoneMatch,
    cache_control: &'static str,
) -> Response {
    let json = serde_json::to_vec(body).expect("contract types serialize");
    let etag = etag(&json);
    let mut response = if if_none_match.has(&etag) {
        let mut unchanged = Response::new(Body::empty());
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        document(StatusCode::OK, json)
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).expect("base64 in quotes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    response
}

/// A strong tag: equal only for equal bytes.
fn etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// When the old paths go away.
const SUNSET: HeaderValue = HeaderValue::from_static("Fri, 31 Dec 2027 23:59:59 GMT");

/// Marks a route as an old name of `successor`: every answer says so in
/// `Deprecation`, `Link` and `Sunset`, and each call is counted.
pub fn deprecated<S: Clone + Send + Sync + 'static>(
    route: MethodRouter<S>,
    successor: &'static str,
) -> MethodRouter<S> {
    route.layer(middleware::from_fn_with_state(successor, mark_deprecated))
}

async fn mark_deprecated(
    State(successor): State<&'static str>,
    request: Request,
    next: Next,
) -> Response {
    metrics::deprecated_call(successor);
    let mut response = next.run(request).await;
    let headers: &mut HeaderMap = response.headers_mut();
    let link = format!("<{successor}>; rel=\"successor-version\"");
    headers.insert("deprecation", HeaderValue::from_static("true"));
    headers.insert("sunset", SUNSET);
    headers.insert(header::LINK, HeaderValue::from_str(&link).expect("a path is a header value"));
    response
}
