//! The events of the HTTP API, as far as an outsider writes them: method, path,
//! query, headers, cookies and body are passed on by API Gateway as they came.

use proptest::{prelude::*, sample};
use serde_json::{Value, json};

use crate::{
    nasty::{header_text, json, text},
    support::{Product, Reply, Request, fuzz},
};

fn name() -> impl Strategy<Value = String> {
    let known = vec![
        "host",
        "x-forwarded-proto",
        "x-forwarded-for",
        "x-forwarded-port",
        "content-type",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "accept-encoding",
        "expect",
        "authorization",
        "cookie",
        "origin",
        "x-http-method-override",
        "range",
        "te",
        "upgrade",
        "connection",
        "forwarded",
        "via",
    ];
    prop_oneof![
        3 => sample::select(known).prop_map(str::to_owned),
        1 => "[a-z0-9!#$%&'*+.^_`|~-]{1,40}",
    ]
}

/// Paths as they came: decoded or not, beautiful or not.
fn path() -> impl Strategy<Value = String> {
    let segments = vec![
        "api",
        "auth",
        "me",
        "health",
        "games",
        "slot",
        "spin",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2F",
        "%00",
        "%ff",
        " ",
        "a b",
        "?",
        "#",
        "\\",
        "é",
        "지민",
        "\"",
        "<",
        ">",
        "^",
        "`",
        "{",
        "}",
        "|",
        "@",
        ":80",
        "[::1]",
        ";a=b",
        "openapi.json",
        "%",
        "%zz",
        "\u{feff}",
        "*",
    ];
    let joined = prop::collection::vec(sample::select(segments), 0..8)
        .prop_map(|segments| format!("/{}", segments.join("/")));
    prop_oneof![3 => joined, 1 => text().prop_map(|text| format!("/{text}"))]
}

fn method() -> impl Strategy<Value = String> {
    let methods = [
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get",
        "PURGE",
    ];
    prop_oneof![3 => sample::select(methods.to_vec()).prop_map(str::to_owned), 1 => "[A-Z!#$%&'*+.^_|~-]{1,20}"]
}

fn request() -> impl Strategy<Value = Request> {
    (
        method(),
        path(),
        text(),
        prop::collection::btree_map(name(), header_text(), 0..6),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
    )
        .prop_map(|(method, path, query, headers, body)| Request {
            method,
            path,
            query,
            headers,
            body,
        })
}

#[test]
fn no_path_query_or_header_breaks_a_function() {
    let product = Product::start();
    let functions: Vec<String> = {
        let mut all: Vec<_> =
            product.stack.spec().http_routes.iter().map(|route| route.function.clone()).collect();
        all.sort();
        all.dedup();
        all
    };
    fuzz(1500, &(sample::select(functions), request()), |(function, request)| {
        check(&product.send(&function, &request)?)
    });
}

/// Of the function that streams the head is looked at, and its answer ended.
#[test]
fn no_path_query_or_header_breaks_a_stream() {
    let product = Product::start();
    let path = prop::option::of(Just("/api/metrics/stream"));
    fuzz(600, &(request(), path), |(mut request, path)| {
        request.path = path.map_or(request.path, str::to_owned);
        let event = request.event_of_a_rest_api();
        match product.wait(product.stack.open("MetricsStreamFunction", event)) {
            Ok(streamed) => prop_assert!(streamed.metadata_prelude.status_code.as_u16() < 500),
            Err(error) => return Err(TestCaseError::fail(format!("a function error: {error}"))),
        }
        Ok(())
    });
}

/// As [`Reply::check`] for a request that may have been a `HEAD`.
fn check(reply: &Reply) -> Result<(), TestCaseError> {
    if reply.text.is_empty() && reply.status < 500 { Ok(()) } else { reply.check() }
}

#[test]
fn what_a_route_takes_it_takes_whatever_else_is_in_the_event() {
    let product = Product::start();
    let cookies = prop::collection::vec(header_text(), 0..4);
    let noise = prop::collection::btree_map(name(), header_text(), 0..4);
    let more = prop::option::of(("[a-z]{1,10}", json()));
    fuzz(600, &(text(), cookies, noise, more), |(query, cookies, noise, more)| {
        let mut request = Request::new("GET", "/api/users/balance").query(query).header("x", "y");
        request.headers.extend(noise);
        request.headers.insert("authorization".to_owned(), product.bearer());
        let mut event = request.event();
        event["cookies"] = json!(cookies);
        event["queryStringParameters"] = json!({ "a": "b" });
        if let Some((name, value)) = more {
            event["requestContext"]["authorizer"] = json!({ "lambda": { name: value } });
        }
        let function = product.function("GET", "/api/users/balance").to_owned();
        let answer = product.invoke(&function, event);
        let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&answer["statusCode"], 200, "{}", answer);
        Ok(())
    });
}

#[test]
fn an_event_with_parts_missing_or_odd_is_no_panic() {
    let product = Product::start();
    let pointers = vec![
        "/version",
        "/routeKey",
        "/rawPath",
        "/rawQueryString",
        "/headers",
        "/requestContext",
        "/requestContext/http",
        "/requestContext/http/method",
        "/requestContext/http/path",
        "/requestContext/http/sourceIp",
        "/requestContext/domainName",
        "/requestContext/stage",
        "/requestContext/time",
        "/requestContext/timeEpoch",
        "/isBase64Encoded",
        "/body",
    ];
    let odd = prop::collection::vec((sample::select(pointers), prop::option::of(json())), 1..4);
    fuzz(800, &odd, |odd| {
        let request = Request::new("POST", "/api/games/slot/spin")
            .header("authorization", product.bearer())
            .header("content-type", "application/json")
            .header("idempotency-key", "odd")
            .body(r#"{"bet":1}"#);
        let mut event = request.event();
        for (pointer, value) in odd {
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            let Some(Value::Object(parent)) = event.pointer_mut(parent) else { continue };
            match value {
                Some(value) => drop(parent.insert(name.to_owned(), value)),
                None => drop(parent.remove(name)),
            }
        }
        // Nobody but AWS writes these, so an error will do.
        if let Ok(answer) = product.invoke(product.function("POST", "/api/games/slot/spin"), event)
        {
            prop_assert!(
                answer["statusCode"].as_u64().is_some_and(|status| status < 500),
                "{}",
                answer
            );
        }
        Ok(())
    });
}
