//! A request as payload format 2.0 has it.

use std::{collections::BTreeMap, net::SocketAddr};

use ::http::{HeaderMap, header, request::Parts};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{API_ID, routes::Found};
use crate::engine::{ACCOUNT, fresh_id, now};

/// The event for a request that `found` takes.
pub(super) fn event(
    parts: &Parts,
    body: &[u8],
    found: &Found<'_>,
    peer: SocketAddr,
    request_id: &str,
) -> Value {
    let at = now();
    let source_ip = peer.ip().to_string();
    let headers = headers(&parts.headers, &source_ip);
    let host = headers.get("host").and_then(Value::as_str).unwrap_or("localhost").to_owned();
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let user_agent = text(&parts.headers, &header::USER_AGENT);
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.split('.').next(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": source_ip,
                "userAgent": user_agent,
            },
            "requestId": request_id,
            "routeKey": found.key,
            "stage": "$default",
            "time": clf_time(at),
            "timeEpoch": at.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    let query = query_parameters(query);
    if !query.is_empty() {
        let joined: BTreeMap<_, _> =
            query.iter().map(|(name, all)| (name, all.join(","))).collect();
        event["queryStringParameters"] = json!(joined);
    }
    if !found.parameters.is_empty() {
        event["pathParameters"] = json!(found.parameters);
    }
    if !body.is_empty() {
        let as_text = std::str::from_utf8(body).ok().filter(|_| is_text(&parts.headers));
        event["isBase64Encoded"] = json!(as_text.is_none());
        event["body"] = as_text.map_or_else(|| json!(BASE64.encode(body)), |text| json!(text));
    }
    event
}

/// Lower-case names, several values joined by commas, with what API Gateway
/// adds and without cookies, which have their own field.
fn headers(given: &HeaderMap, source_ip: &str) -> Map<String, Value> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in given {
        if name == header::COOKIE {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        append(&mut joined, name.as_str(), &value);
    }
    append(&mut joined, "x-forwarded-for", source_ip);
    for (name, value) in [("x-forwarded-port", "443"), ("x-forwarded-proto", "https")] {
        joined.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    joined.entry("x-amzn-trace-id".to_owned()).or_insert_with(trace_id);
    joined.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

fn append(joined: &mut BTreeMap<String, String>, name: &str, value: &str) {
    let all = joined.entry(name.to_owned()).or_default();
    if !all.is_empty() {
        all.push(',');
    }
    all.push_str(value);
}

fn trace_id() -> String {
    let id = fresh_id().simple().to_string();
    let seconds = now().as_second();
    format!("Root=1-{seconds:08x}-{}", &id[8..])
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(header::COOKIE).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .collect()
}

/// Decoded; the values of each name in order.
pub(super) fn query_parameters(query: &str) -> BTreeMap<String, Vec<String>> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decode(name)).or_default().push(decode(value));
    }
    parameters
}

/// Whether API Gateway passes a body of this type as it is.
fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let kind = text(headers, &header::CONTENT_TYPE).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.is_empty()
        || kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || ["application/json", "application/xml", "application/javascript"].contains(&kind)
}

/// A header's first value, empty if it has none.
pub(super) fn text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    value.unwrap_or_default().into_owned()
}

/// `12/Mar/2020:19:03:58 +0000`.
pub(super) fn clf_time(at: Timestamp) -> String {
    at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}
