//! A server for tests: writes down what it is asked, answers what it was told.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::http::{HeaderMap, Method, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// With the query, decoded.
    pub path: String,
    pub headers: HeaderMap,
    /// A form's pairs, one a line; anything else as it is.
    pub body: String,
}

/// Ends when it is dropped.
pub struct Recorder {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: JoinHandle<()>,
}

impl Recorder {
    /// Answers the requests with these, one after the other; no answer at all where
    /// the status is 0.
    pub async fn answering(answers: impl IntoIterator<Item = (u16, String)>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let written = Arc::clone(&asked);
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&written));
                let service = service_fn(move |request| {
                    answer(request, Arc::clone(&answers), Arc::clone(&asked))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, asked, server }
    }

    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The same, as `METHOD /path?query` and then the body, if there is one.
    pub fn lines(&self) -> Vec<String> {
        let line = |asked: &Asked| match asked.body.as_str() {
            "" => format!("{} {}", asked.method, asked.path),
            body => format!("{} {}\n{body}", asked.method, asked.path),
        };
        self.asked().iter().map(line).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = match head.uri.query() {
        Some(query) => format!("{}?{}", head.uri.path(), pairs(query.as_bytes()).join("&")),
        None => head.uri.path().to_owned(),
    };
    let form = head.headers.get("content-type").is_some_and(|kind| kind != "application/json");
    let body =
        if form { pairs(&body).join("\n") } else { String::from_utf8(body.to_vec()).unwrap() };
    let (method, headers) = (head.method, head.headers);
    asked.lock().unwrap().push(Asked { method, path, headers, body });
    let next = answers.lock().unwrap().pop_front();
    let (status, body) = next.expect("it was asked more than it was told to expect");
    if status == 0 {
        std::future::pending::<()>().await;
    }
    Ok(Response::builder().status(status).body(Full::new(body.into())).unwrap())
}

fn pairs(encoded: &[u8]) -> Vec<String> {
    form_urlencoded::parse(encoded).map(|(name, value)| format!("{name}={value}")).collect()
}
