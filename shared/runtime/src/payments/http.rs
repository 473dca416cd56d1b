//! JSON and forms over HTTP: one client, every request bounded in time and every
//! answer in size.
//!
//! The parts are those the functions carry anyway: hyper, and rustls as the AWS
//! clients have it. Certificates are the platform's, for two reasons: Stripe asks
//! its clients not to pin authorities, which it changes, and whoever operates the
//! image keeps those up to date without a deployment. Reading them takes longer
//! than the rest of a cold start, so that is put off until the first request that
//! needs them; a plain `http` address never does.

use std::{
    error::Error as _,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request,
};
use bytes::Bytes;
use contract::Secret;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::ProviderError;

const CONNECT: Duration = Duration::from_secs(3);
/// Longer than any answer we understand.
const LONGEST_ANSWER_BYTES: usize = 1 << 20;

/// A checked address: scheme, host and port, and perhaps a path to begin with.
#[derive(Clone, Debug)]
pub(super) struct BaseUrl(Arc<str>);

impl BaseUrl {
    /// `http` or `https`, without account, query or final slash.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('/');
        let uri: Uri = text.parse().ok()?;
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let account = uri.authority()?.as_str().contains('@');
        (scheme && !account && uri.query().is_none()).then(|| Self(text.into()))
    }

    fn encrypted(&self) -> bool {
        self.0.starts_with("https:")
    }
}

/// A connection pool to one provider. Cheap to clone; connects lazily.
#[derive(Clone)]
pub(super) struct Http {
    base: BaseUrl,
    timeout: Duration,
    client: Arc<OnceLock<Way>>,
}

enum Way {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Encrypted(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub status: StatusCode,
    pub body: Bytes,
}

/// What is sent besides the headers.
pub(super) enum Body {
    Nothing,
    Json(Vec<u8>),
    Form(String),
}

impl Http {
    /// Requests under `base`, each of which may take `timeout` from the first byte
    /// of the connection to the last of the answer.
    pub(super) fn new(base: BaseUrl, timeout: Duration) -> Self {
        Self { base, timeout, client: Arc::default() }
    }

    /// Sends one request, with `key` as bearer, and waits for all of the answer.
    /// `path` begins with a slash and is trusted.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        key: &Secret,
        headers: &[(&'static str, &str)],
        body: Body,
    ) -> Result<Answered, ProviderError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base.0))
            .header(AUTHORIZATION, bearer(key)?);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = built(request, body)?;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ProviderError::TimedOut(self.timeout)),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answered, ProviderError> {
        let answer = match self.way() {
            Way::Plain(client) => client.request(request).await,
            Way::Encrypted(client) => client.request(request).await,
        };
        let answer = answer.map_err(|error| unreachable(&error))?;
        let (head, body) = Response::into_parts(answer);
        let body = match Limited::new(body, LONGEST_ANSWER_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(ProviderError::Unintelligible("it is too long"));
            }
            Err(_) => return Err(ProviderError::Unreachable("the answer broke off".into())),
        };
        Ok(Answered { status: head.status, body })
    }

    fn way(&self) -> &Way {
        self.client.get_or_init(|| {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(CONNECT));
            connector.enforce_http(!self.base.encrypted());
            let mut builder = Client::builder(TokioExecutor::new());
            // A function is frozen between events; what the other side closed
            // meanwhile it finds out only by using it.
            builder.pool_idle_timeout(Duration::from_secs(5));
            if !self.base.encrypted() {
                return Way::Plain(builder.build(connector));
            }
            let connector = hyper_rustls::HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
                .expect("the image has root certificates")
                .https_only()
                .enable_http1()
                .wrap_connector(connector);
            Way::Encrypted(builder.build(connector))
        })
    }
}

fn bearer(key: &Secret) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
        .map_err(|_| ProviderError::Unintelligible("our own key is not a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn built(request: request::Builder, body: Body) -> Result<Request<Full<Bytes>>, ProviderError> {
    let request = match body {
        Body::Nothing => request.body(Full::default()),
        Body::Json(json) => {
            request.header(CONTENT_TYPE, "application/json").body(Full::new(json.into()))
        }
        Body::Form(form) => request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(form.into())),
    };
    request.map_err(|_| ProviderError::Unintelligible("our own request is not one"))
}

/// The chain's texts: hyper's own says no more than that it failed. None of them
/// has seen the request.
fn unreachable(error: &legacy::Error) -> ProviderError {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    ProviderError::Unreachable(texts.join(": ").into())
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base", &self.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
