//! A product of one's own, called at the boundary of its functions.

use std::{collections::BTreeMap, fmt::Debug, future::Future, time::Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use contract::Code;
use devstack::{Options, Stack, invoke::InvokeError};
use domain::Role;
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use runtime::Clock;
use serde_json::{Map, Value, json};
use tests::{Maker, Player, stack_with, unlimited_logins};
use tokio::runtime::Runtime;

/// Tries `cases` inputs, or as many as `PROPTEST_CASES` says.
///
/// # Panics
/// When `check` fails, with the smallest input that makes it.
#[expect(clippy::disallowed_methods, reason = "how a test run asks for more")]
pub fn fuzz<S: Strategy>(
    cases: u32,
    inputs: &S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(cases);
    let seeds = FileFailurePersistence::Direct("fuzz/regressions.txt");
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(seeds)),
        max_shrink_time: 20_000,
        ..Config::default()
    };
    let started = Instant::now();
    let done = TestRunner::new(config).run(inputs, check);
    println!("{cases} cases in {:.1} s", started.elapsed().as_secs_f64());
    if let Err(failure) = done {
        panic!("{failure}");
    }
}

/// A stack whose triggers stand still, and a player.
pub struct Product {
    runtime: Runtime,
    pub stack: Stack,
    pub player: Player,
    maker: Maker,
}

/// A request as API Gateway takes it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// As sent.
    pub query: String,
    /// Lower-case names.
    pub headers: BTreeMap<String, String>,
    pub body: Option<Vec<u8>>,
}

/// A function's answer in payload format 2.0.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Map<String, Value>,
    pub text: String,
    pub body: Value,
}

impl Product {
    pub fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (stack, player, maker) = runtime.block_on(async {
            // Every request comes from one address, and many guess.
            let parameters = unlimited_logins().into();
            let options = Options { triggers: false, parameters, ..Options::default() };
            let stack = stack_with(options).await;
            let maker = Maker::new(&stack, Clock::system()).await;
            // Every door is open to whoever may issue invites and reset accounts.
            let player = maker.player(Role::Admin).await;
            (stack, player, maker)
        });
        Self { runtime, stack, player, maker }
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn token(&self) -> &str {
        self.player.api.token().expect("the player is signed in")
    }

    /// `Authorization` of the player.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token())
    }

    /// `Authorization` of somebody else, for a request that may end their session.
    pub fn leaver(&self) -> String {
        let leaver = self.wait(self.maker.player(Role::Standard));
        format!("Bearer {}", leaver.api.token().expect("the player is signed in"))
    }

    /// How many entries the player's journal has.
    pub fn version(&self) -> u64 {
        let id = self.player.id.parse().expect("a player id");
        self.wait(self.stack.store("fuzz").player(store::Subject::system(id)))
            .expect("the player")
            .version
    }

    /// What `function` has written so far, in write units.
    pub fn written(&self, function: &str) -> f64 {
        self.stack.engine().meter().snapshot().of(function).units.write
    }

    /// The logical id of the function that takes such requests.
    pub fn function(&self, method: &str, path: &str) -> &str {
        let routes = &self.stack.spec().http_routes;
        let takes = |method: &str, path: &str| {
            routes.iter().find(|route| route.method == method && route.path == path)
        };
        let default = || routes.iter().find(|route| route.path == "$default");
        &takes(method, path).or_else(default).expect("a default route").function
    }

    /// Sends a request to `function`.
    pub fn send(&self, function: &str, request: &Request) -> Result<Reply, TestCaseError> {
        match self.invoke(function, request.event()) {
            Ok(answer) => Reply::read(&answer),
            Err(error) => Err(TestCaseError::fail(format!("a function error: {error}"))),
        }
    }

    /// Sends a request where it belongs, and holds the answer and the journal
    /// against what every answer must be.
    pub fn ask(&self, request: &Request) -> Result<Reply, TestCaseError> {
        let function = self.function(&request.method, &request.path);
        let (version, written) = (self.version(), self.written(function));
        let reply = self.send(function, request)?;
        reply.check()?;
        let grown = self.version() - version;
        if reply.status >= 400 {
            prop_assert_eq!(grown, 0, "refused, yet an entry");
            // Only the table knows who has a name, and guesses are counted.
            let needs_the_table = [
                "site_id_taken",
                "nickname_taken",
                "invite_code_exists",
                "invalid_credentials",
                "wrong_password",
            ];
            if !needs_the_table.contains(&reply.code()) {
                prop_assert_eq!(self.written(function), written, "refused, yet written");
            }
        }
        prop_assert!(grown <= 1, "{} entries of one request", grown);
        Ok(reply)
    }

    pub fn invoke(&self, function: &str, event: Value) -> Result<Value, InvokeError> {
        self.wait(self.stack.invoke(function, event))
    }
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    pub fn query(self, query: impl Into<String>) -> Self {
        Self { query: query.into(), ..self }
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// The event that a function gets.
    pub fn event(&self) -> Value {
        let text = self.body.as_deref().map(std::str::from_utf8);
        let key = format!("{} {}", self.method, self.path);
        let mut event = json!({
            "version": "2.0",
            "routeKey": key,
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": self.headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "a1b2c3d4e5",
                "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "a1b2c3d4e5",
                "http": {
                    "method": self.method, "path": self.path, "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7", "userAgent": "fuzz",
                },
                "requestId": "U3xHijmmIAMEJ2Q=", "routeKey": key, "stage": "$default",
                "time": "21/Nov/2026:04:30:00 +0000", "timeEpoch": 1_795_235_400_000_i64,
            },
            "isBase64Encoded": matches!(text, Some(Err(_))),
        });
        match (text, &self.body) {
            (Some(Ok(text)), _) => event["body"] = json!(text),
            (_, Some(bytes)) => event["body"] = json!(BASE64_STANDARD.encode(bytes)),
            (_, None) => {}
        }
        event
    }
}

impl Request {
    /// As a REST API hands it on, in payload format 1.0.
    pub fn event_of_a_rest_api(&self) -> Value {
        let each: BTreeMap<_, _> =
            self.headers.iter().map(|(name, value)| (name, [value])).collect();
        let query =
            BTreeMap::from([(self.query.as_str(), ["2"]), ("interval", [self.query.as_str()])]);
        json!({
            "resource": "/{proxy+}",
            "path": self.path,
            "httpMethod": self.method,
            "headers": self.headers,
            "multiValueHeaders": each,
            "queryStringParameters": null,
            "multiValueQueryStringParameters": query,
            "pathParameters": { "proxy": self.path },
            "requestContext": {
                "httpMethod": self.method, "stage": "stream", "path": self.path,
                "domainName": self.headers.get("host"),
                "identity": { "sourceIp": "203.0.113.7" },
            },
            "body": self.body.as_deref().map(String::from_utf8_lossy),
            "isBase64Encoded": self.body.is_some(),
        })
    }
}

impl Reply {
    fn read(answer: &Value) -> Result<Self, TestCaseError> {
        let whole = || {
            Some(Self {
                status: u16::try_from(answer["statusCode"].as_u64()?).ok()?,
                headers: answer["headers"].as_object()?.clone(),
                text: answer["body"].as_str().unwrap_or_default().to_owned(),
                body: Value::Null,
            })
        };
        let whole = whole()
            .ok_or_else(|| TestCaseError::fail(format!("no answer of format 2.0: {answer}")))?;
        let body = serde_json::from_str(&whole.text).unwrap_or_default();
        Ok(Self { body, ..whole })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The problem's code, empty for a success.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A success in JSON, or a problem as the registry has it; nothing of ours is
    /// broken by a request.
    pub fn check(&self) -> Result<(), TestCaseError> {
        let Self { status, body, text, .. } = self;
        prop_assert!((200..500).contains(status), "{} {}", status, text);
        prop_assert!(!self.header("x-request-id").is_empty());
        if *status == 304 {
            prop_assert_eq!(text, "");
            return Ok(());
        }
        if *status < 400 {
            prop_assert_eq!(self.header("content-type"), "application/json");
            prop_assert!(body.is_object(), "{}", text);
            return Ok(());
        }
        prop_assert_eq!(self.header("content-type"), "application/problem+json");
        let code = Code::ALL.iter().find(|code| code.as_str() == self.code());
        let code = code.ok_or_else(|| TestCaseError::fail(format!("no such code: {text}")))?;
        prop_assert_eq!(
            (code.status(), u64::from(*status)),
            (*status, body["status"].as_u64().unwrap_or(0))
        );
        prop_assert_eq!(&body["type"], code.type_uri());
        prop_assert_eq!(&body["error"]["code"], code.as_str());
        for error in body["errors"].as_array().into_iter().flatten() {
            let pointer = error["pointer"].as_str().unwrap_or("?");
            prop_assert!(pointer.is_empty() || pointer.starts_with('/'), "{}", text);
            prop_assert!(error["code"].is_string() && error["detail"].is_string(), "{}", text);
        }
        Ok(())
    }
}
