//! The events of the WebSocket API.

use std::net::SocketAddr;

use ::http::{HeaderMap, header, request::Parts};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    API_ID, SOCKET_STAGE,
    event::{clf_time, query_parameters, text},
    random_id,
};
use crate::engine::now;

/// One connection, as its events describe it.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) connected_at: Timestamp,
    pub(super) source_ip: String,
    pub(super) user_agent: String,
    host: String,
}

impl Connection {
    pub(super) fn new(parts: &Parts, peer: SocketAddr) -> Self {
        Self {
            id: random_id(),
            connected_at: now(),
            source_ip: peer.ip().to_string(),
            user_agent: text(&parts.headers, &header::USER_AGENT),
            host: text(&parts.headers, &header::HOST),
        }
    }

    pub(super) fn connect(&self, parts: &Parts) -> Value {
        let (single, multiple) = headers(&parts.headers, &self.source_ip);
        let mut event = json!({
            "headers": single,
            "multiValueHeaders": multiple,
            "requestContext": self.context("$connect", "CONNECT"),
            "isBase64Encoded": false,
        });
        let query = query_parameters(parts.uri.query().unwrap_or_default());
        if !query.is_empty() {
            // The last value wins in the single form.
            let last: Map<String, Value> =
                query.iter().map(|(name, all)| (name.clone(), json!(all.last()))).collect();
            event["queryStringParameters"] = Value::Object(last);
            event["multiValueQueryStringParameters"] = json!(query);
        }
        event
    }

    pub(super) fn message(&self, route_key: &str, message: &Message) -> Value {
        let mut context = self.context(route_key, "MESSAGE");
        context["messageId"] = json!(random_id());
        let (body, binary) = match message {
            Message::Binary(bytes) => (BASE64.encode(bytes), true),
            other => (other.to_text().unwrap_or_default().to_owned(), false),
        };
        json!({ "requestContext": context, "body": body, "isBase64Encoded": binary })
    }

    pub(super) fn disconnect(&self, code: u16, reason: &str) -> Value {
        let mut context = self.context("$disconnect", "DISCONNECT");
        context["disconnectStatusCode"] = json!(code);
        context["disconnectReason"] = json!(reason);
        let headers = [("Host", self.host.as_str()), ("x-api-key", ""), ("X-Forwarded-For", "")];
        let single: Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let multiple: Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        json!({
            "headers": single, "multiValueHeaders": multiple,
            "requestContext": context, "isBase64Encoded": false,
        })
    }

    fn context(&self, route_key: &str, event_type: &str) -> Value {
        let at = now();
        let request_id = random_id();
        let mut identity = json!({ "sourceIp": self.source_ip });
        if !self.user_agent.is_empty() {
            identity["userAgent"] = json!(self.user_agent);
        }
        json!({
            "routeKey": route_key,
            "eventType": event_type,
            "extendedRequestId": request_id,
            "requestTime": clf_time(at),
            "messageDirection": "IN",
            "stage": SOCKET_STAGE,
            "connectedAt": self.connected_at.as_millisecond(),
            "requestTimeEpoch": at.as_millisecond(),
            "identity": identity,
            "requestId": request_id,
            "domainName": self.host,
            "connectionId": self.id,
            "apiId": API_ID,
        })
    }
}

/// Both forms, with names as clients write them: HTTP/1 libraries lower them.
fn headers(given: &HeaderMap, source_ip: &str) -> (Map<String, Value>, Map<String, Value>) {
    let (mut single, mut multiple) = (Map::new(), Map::new());
    for name in given.keys() {
        let all: Vec<_> = given
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        let name = title_case(name.as_str());
        single.insert(name.clone(), json!(all.last()));
        multiple.insert(name, json!(all));
    }
    for (name, value) in [
        ("X-Forwarded-For", source_ip),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ] {
        single.insert(name.to_owned(), json!(value));
        multiple.insert(name.to_owned(), json!([value]));
    }
    (single, multiple)
}

fn title_case(name: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let title = name.split('-').map(part).collect::<Vec<_>>().join("-");
    title.replace("Websocket", "WebSocket")
}
