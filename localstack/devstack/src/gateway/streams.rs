//! REST APIs that stream, where the domain has them.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use http_body_util::{Either, StreamBody};
use hyper::body::{Frame, Incoming};
use runtime::Streamed;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    API_ID, ReplyBody,
    event::{clf_time, query_parameters, text},
    message, random_id,
};
use crate::{
    engine::{ACCOUNT, now},
    invoke::{InvokeError, Invoker, until},
    spec::{Spec, StreamRoute},
};

pub(super) type StreamedBody = StreamBody<BoxStream<'static, Result<Frame<Bytes>, io::Error>>>;

pub(super) struct StreamApi {
    routes: Vec<StreamRoute>,
    invoker: Arc<dyn Invoker>,
}

impl StreamApi {
    pub(super) fn new(spec: &Spec, invoker: Arc<dyn Invoker>) -> Self {
        Self { routes: spec.stream_routes.clone(), invoker }
    }

    /// The API that the domain has at a path: that with the longest one.
    pub(super) fn claims(&self, path: &str) -> Option<&StreamRoute> {
        let below = |route: &&StreamRoute| {
            let rest = path.strip_prefix(&*route.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.routes.iter().filter(below).max_by_key(|route| route.path.len())
    }

    /// Answers as the function does, piece by piece, until the gateway is `closing`.
    pub(super) async fn request(
        &self,
        route: &StreamRoute,
        request: &Request<Incoming>,
        peer: SocketAddr,
        mut closing: watch::Receiver<bool>,
    ) -> Response<ReplyBody> {
        let id = random_id();
        let event = event(route, request, peer, &id);
        let deadline = Instant::now() + route.patience;
        let opened = timeout_at(deadline, self.invoker.open(&route.function, event)).await;
        let mut reply = match opened {
            Ok(Ok(Streamed { metadata_prelude: head, stream })) => {
                let closed = async move { drop(closing.wait_for(|closing| *closing).await) };
                let body = until(deadline, stream).map_ok(Frame::data).map_err(io::Error::other);
                let body = body.take_until(Box::pin(closed)).boxed();
                let mut reply = Response::new(Either::Right(StreamBody::new(body)));
                *reply.status_mut() = head.status_code;
                *reply.headers_mut() = head.headers;
                for cookie in &head.cookies {
                    if let Ok(cookie) = HeaderValue::from_str(cookie) {
                        reply.headers_mut().append(header::SET_COOKIE, cookie);
                    }
                }
                reply
            }
            Ok(Err(error)) => failure(&error).map(Either::Left),
            Err(_) => {
                message(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out").map(Either::Left)
            }
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            reply.headers_mut().insert(HeaderName::from_static("x-amz-apigw-id"), id);
        }
        reply
    }
}

/// As a REST API words it.
fn failure(error: &InvokeError) -> super::Reply {
    match error {
        InvokeError::Throttled => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        }
        InvokeError::Timeout | InvokeError::Function { .. } => {
            message(StatusCode::BAD_GATEWAY, "Internal server error")
        }
    }
}

/// A request as payload format 1.0 has it. Its body is not read: nothing that streams
/// takes one.
fn event(route: &StreamRoute, request: &Request<Incoming>, peer: SocketAddr, id: &str) -> Value {
    let at = now();
    let source_ip = peer.ip().to_string();
    let path = request.uri().path();
    let below = path.strip_prefix(&*route.path).unwrap_or_default().trim_start_matches('/');
    let resource = if below.is_empty() { "/" } else { "/{proxy+}" };
    let headers = headers(request.headers(), &source_ip);
    let query = query_parameters(request.uri().query().unwrap_or_default());
    let host = text(request.headers(), &header::HOST);
    json!({
        "resource": resource,
        // With the part that the mapping takes off before it looks for a resource.
        "path": path,
        "httpMethod": request.method().as_str(),
        "headers": last_of(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last_of(&query),
        "multiValueQueryStringParameters": (!query.is_empty()).then_some(&query),
        "pathParameters": (!below.is_empty()).then(|| json!({ "proxy": below })),
        "stageVariables": null,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.split('.').next(),
            "extendedRequestId": id,
            "httpMethod": request.method().as_str(),
            "identity": {
                "sourceIp": source_ip,
                "userAgent": text(request.headers(), &header::USER_AGENT),
            },
            "path": path,
            "protocol": format!("{:?}", request.version()),
            "requestId": id,
            "requestTime": clf_time(at),
            "requestTimeEpoch": at.as_millisecond(),
            "resourcePath": resource,
            "stage": route.stage,
        },
        "body": null,
        "isBase64Encoded": false,
    })
}

/// As they came, each value by itself, with what API Gateway adds.
fn headers(given: &HeaderMap, source_ip: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in given {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(name.as_str().to_owned()).or_default().push(value);
    }
    for (name, value) in [
        ("x-forwarded-for", source_ip),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    ] {
        all.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    all
}

/// The last value of each name; nothing of nothing.
fn last_of(all: &BTreeMap<String, Vec<String>>) -> Option<BTreeMap<&str, &str>> {
    let last =
        all.iter().filter_map(|(name, values)| Some((name.as_str(), values.last()?.as_str())));
    Some(last.collect()).filter(|last: &BTreeMap<_, _>| !last.is_empty())
}
