//! `CorsConfiguration`: answered by the gateway, not by functions.

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts,
};
use http_body_util::Full;

use super::Reply;
use crate::spec::Cors;

/// The answer to a preflight request; `None` if `parts` is none.
pub(super) fn preflight(cors: &Cors, parts: &Parts) -> Option<Reply> {
    let asks = parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = parts.headers.get(header::ORIGIN).filter(|_| asks)?;
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    if let Some(allowed) = allowed(cors, origin) {
        let headers = reply.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        list(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods);
        list(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers);
        list(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers);
        if let Some(age) = cors.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age));
        }
    }
    Some(reply)
}

/// Replaces what a function said about CORS by what the configuration says.
pub(super) fn apply(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let said: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in said {
        headers.remove(name);
    }
    if let Some(allowed) = origin.and_then(|origin| allowed(cors, origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        list(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers);
    }
}

fn allowed(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let text = origin.to_str().ok()?;
    cors.allow_origins.iter().find_map(|pattern| match pattern.strip_suffix('*') {
        Some("") => Some(HeaderValue::from_static("*")),
        Some(prefix) => text.starts_with(prefix).then(|| origin.clone()),
        None => pattern.eq_ignore_ascii_case(text).then(|| origin.clone()),
    })
}

fn list(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if let (false, Ok(value)) = (values.is_empty(), HeaderValue::from_str(&values.join(","))) {
        headers.insert(name, value);
    }
}
