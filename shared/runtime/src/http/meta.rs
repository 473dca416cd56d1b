//! What surrounds a request: ids, language, time.

use std::net::IpAddr;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use contract::{Language, Secret};
use jiff::Timestamp;
use lambda_http::request::RequestContext;
use uuid::Uuid;

use super::scope::Scope;
use crate::{
    Clock, Entropy, Problem,
    auth::{ClientDevice, device_fingerprint},
};

/// What surrounds a request. Sampled once, before anything else runs.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The caller's `X-Request-Id`, or one made here; answered in the same header.
    pub request_id: String,
    /// Joins this request's log lines, journal entry, stream record, frame and row.
    pub trace_id: String,
    /// What the reader prefers.
    pub language: Language,
    /// Where the request came from, as API Gateway saw it. Never from a header
    /// that the client could have written.
    pub source_ip: Option<IpAddr>,
    /// The client's `X-Device-Fingerprint`, which it may well have made up: 1 to 128
    /// visible ASCII characters, or as if it had none. Tells of a person.
    pub device_fingerprint: Option<Secret>,
    /// What the client says it is.
    pub device: ClientDevice,
    /// The one "now" of this request.
    pub now: Timestamp,
}

impl Meta {
    pub(super) fn sample(parts: &Parts, clock: &Clock, entropy: &Entropy) -> Self {
        let now = clock.now();
        let headers = &parts.headers;
        let request_id = text(headers, "x-request-id")
            .filter(|id| is_plain_id(id))
            .map_or_else(|| new_id(now, entropy).to_string(), str::to_owned);
        let trace_id = trace_id(headers).unwrap_or_else(|| request_id.clone());
        let language = text(headers, header::ACCEPT_LANGUAGE.as_str())
            .map_or_else(Language::default, Language::negotiate);
        let source_ip = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                context.http.source_ip.as_deref().and_then(|ip| ip.parse().ok())
            }
            Some(RequestContext::ApiGatewayV1(context)) => {
                context.identity.source_ip.as_deref().and_then(|ip| ip.parse().ok())
            }
            _ => None,
        };
        let device_fingerprint = device_fingerprint(headers).map(Secret::from);
        let device = ClientDevice::of(headers);
        Self { request_id, trace_id, language, source_ip, device_fingerprint, device, now }
    }
}

impl<S: Sync> FromRequestParts<S> for Meta {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Scope::of(parts)?.meta.clone())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Short, and of characters that need no escaping in logs, headers or JSON.
fn is_plain_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'=');
    (1..=128).contains(&id.len()) && id.bytes().all(plain)
}

/// The trace the request already belongs to: that of the client (W3C's `traceparent`), else
/// X-Ray's root, which Lambda gives every invocation.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let w3c = text(headers, "traceparent").and_then(w3c_trace_id);
    let xray = || {
        let value = text(headers, "x-amzn-trace-id")?;
        let root = value.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
        (is_plain_id(root) && root.len() <= TRACE_ID_MAX).then_some(root)
    };
    w3c.or_else(xray).map(str::to_owned)
}

/// X-Ray's have 35 characters.
const TRACE_ID_MAX: usize = 64;

/// `<version>-<32 hexadecimal digits, not all zero>-<parent>-<flags>`; nothing of anything
/// else (<https://www.w3.org/TR/trace-context/>).
fn w3c_trace_id(traceparent: &str) -> Option<&str> {
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    // Later versions may have more.
    let mut fields = traceparent.splitn(5, '-');
    let mut field = |length| fields.next().filter(|field| hex(field, length));
    let (version, id, _parent, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    (version != "ff" && id.bytes().any(|b| b != b'0')).then_some(id)
}

fn new_id(now: Timestamp, entropy: &Entropy) -> Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &entropy.bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn device(header: &[u8]) -> Option<Secret> {
        let request = Request::builder().header("x-device-fingerprint", header).body(());
        let (parts, ()) = request.expect("a request").into_parts();
        let clock = Clock::new(|| Timestamp::UNIX_EPOCH);
        Meta::sample(&parts, &clock, &Entropy::new(|bytes| bytes.fill(7))).device_fingerprint
    }

    #[test]
    fn a_device_says_which_it_is_or_nothing_that_counts() {
        let longest = "f".repeat(128);
        for said in ["a", "fp:v2=QUJD/+~", &longest] {
            assert_eq!(device(said.as_bytes()).expect("it says so").expose(), said);
        }
        let too_long = "f".repeat(129);
        for nothing in ["", "two words", &too_long, "지민"] {
            assert!(device(nothing.as_bytes()).is_none(), "{nothing}");
        }
        let shown = format!("{:?}", device(b"who-is-it"));
        assert!(!shown.contains("who-is-it"), "{shown}");
    }
}
