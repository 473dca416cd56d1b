//! The HTTP API.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;

use super::{
    Reply, cors, event::event, message, random_id, read_body, reply::reply, routes::Routes,
};
use crate::{
    invoke::{InvokeError, Invoker},
    spec::{Cors, Spec},
};

const BODY_MAX: usize = 10 * 1024 * 1024;
/// How long API Gateway waits for an integration.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct HttpApi {
    routes: Routes,
    cors: Option<Cors>,
    invoker: Arc<dyn Invoker>,
}

impl HttpApi {
    pub(super) fn new(spec: &Spec, invoker: Arc<dyn Invoker>) -> Self {
        Self { routes: Routes::new(&spec.http_routes), cors: spec.cors.clone(), invoker }
    }

    pub(super) async fn request(&self, request: Request<Incoming>, peer: SocketAddr) -> Reply {
        let (parts, body) = request.into_parts();
        if let Some(cors) = &self.cors
            && let Some(reply) = cors::preflight(cors, &parts)
        {
            return reply;
        }
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let request_id = random_id();
        let mut reply = match self.routes.find(&parts.method, parts.uri.path()) {
            None => message(StatusCode::NOT_FOUND, "Not Found"),
            Some(found) => match read_body(body, BODY_MAX).await {
                Ok(body) => {
                    let event = event(&parts, &body, &found, peer, &request_id);
                    self.invoke(found.function, event).await
                }
                Err(status @ StatusCode::PAYLOAD_TOO_LARGE) => {
                    message(status, "Request Entity Too Large")
                }
                Err(status) => message(status, "Bad Request"),
            },
        };
        let headers = reply.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert(HeaderName::from_static("apigw-requestid"), id);
        }
        if let Some(cors) = &self.cors {
            cors::apply(cors, origin.as_ref(), headers);
        }
        reply
    }

    async fn invoke(&self, function: &str, event: serde_json::Value) -> Reply {
        let unavailable = || message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
        let broken = || message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        let invoked = self.invoker.invoke(function, event);
        match tokio::time::timeout(INTEGRATION_TIMEOUT, invoked).await {
            Ok(Ok(answer)) => reply(&answer).unwrap_or_else(|| {
                tracing::error!(function, %answer, "the answer is not one of payload format 2.0");
                broken()
            }),
            Ok(Err(InvokeError::Function { .. })) => broken(),
            Ok(Err(InvokeError::Timeout | InvokeError::Throttled)) | Err(_) => unavailable(),
        }
    }
}
