//! An event of an API, before the adapter makes a request of it.
//!
//! The adapter panics when it cannot make a URI of an event, and API Gateway passes
//! path, query and `Host` on as whoever asked has written them.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use axum::http::header;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a URI's query cannot hold as it is.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Makes the event one that the adapter can read, without a change of meaning:
/// encodes what should have been, and leaves the host out, which no function reads.
pub fn tame(request: &mut LambdaRequest) {
    match request {
        LambdaRequest::ApiGatewayV1(event) => tame_v1(event),
        LambdaRequest::ApiGatewayV2(event) => tame_v2(event),
        _ => {}
    }
}

/// Of a REST API.
fn tame_v1(event: &mut ApiGatewayProxyRequest) {
    tame_path(event.path.as_mut());
    event.is_base64_encoded &= is_base64(event.body.as_deref());
    // The adapter would put the stage in front of the path.
    event.request_context.stage = None;
    event.request_context.domain_name = None;
    for headers in [&mut event.headers, &mut event.multi_value_headers] {
        headers.remove(header::HOST);
    }
}

fn tame_v2(event: &mut ApiGatewayV2httpRequest) {
    if let Some(query) = &mut event.raw_query_string {
        *query = utf8_percent_encode(query, NOT_IN_A_QUERY).to_string();
    }
    tame_path(event.raw_path.as_mut());
    event.is_base64_encoded &= is_base64(event.body.as_deref());
    event.request_context.domain_name = None;
    event.headers.remove(header::HOST);
}

fn tame_path(path: Option<&mut String>) {
    if let Some(path) = path
        && !path.starts_with('/')
    {
        path.insert(0, '/');
    }
}

/// The adapter panics over what is said to be Base64 and is not.
fn is_base64(body: Option<&str>) -> bool {
    BASE64_STANDARD.decode(body.unwrap_or_default()).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tamed(event: Value) -> Value {
        let context = json!({ "http": { "method": "GET", "path": "/" }, "timeEpoch": 0 });
        let mut whole = json!({
            "version": "2.0", "rawPath": "/", "headers": {}, "requestContext": context,
            "isBase64Encoded": false,
        });
        for (name, value) in event.as_object().expect("an object") {
            whole[name] = value.clone();
        }
        let mut request = serde_json::from_value(whole).expect("an event");
        tame(&mut request);
        let LambdaRequest::ApiGatewayV2(event) = request else { unreachable!("it is one") };
        serde_json::to_value(event).expect("an event again")
    }

    #[test]
    fn a_query_keeps_what_it_says() {
        for (raw, query) in [
            ("limit=5&cursor=a%20b%zz+c", "limit=5&cursor=a%20b%zz+c"),
            (r#"a="<b>"&c=d e#f"#, "a=%22%3Cb%3E%22&c=d%20e%23f"),
            ("이름=값", "%EC%9D%B4%EB%A6%84=%EA%B0%92"),
        ] {
            assert_eq!(tamed(json!({ "rawQueryString": raw }))["rawQueryString"], query);
            assert!(format!("/?{query}").parse::<axum::http::Uri>().is_ok());
        }
    }

    #[test]
    fn what_is_no_base64_is_taken_as_it_is() {
        for (body, encoded) in [("eyJiZXQiOjF9", true), (r#"{"bet":1}"#, false)] {
            let event = tamed(json!({ "body": body, "isBase64Encoded": true }));
            assert_eq!(
                [&event["body"], &event["isBase64Encoded"]],
                [&json!(body), &json!(encoded)]
            );
        }
    }

    #[test]
    fn an_event_of_a_rest_api_is_a_request_whatever_is_in_it() {
        for (path, query, uri) in [
            ("/api/metrics/stream", json!({ "interval": ["2"] }), "/api/metrics/stream?interval=2"),
            (":80", json!({ "a b": ["\u{0}", "이름"] }), "/:80?a+b=%00&a+b=%EC%9D%B4%EB%A6%84"),
            ("/a b\"", json!(null), "/a%20b%22"),
        ] {
            let mut request = serde_json::from_value(json!({
                "path": path, "httpMethod": "GET", "headers": { "Host": "xn--a" },
                "multiValueHeaders": { "Host": ["xn--a"], "accept": ["*/*"] },
                "multiValueQueryStringParameters": query, "body": "%", "isBase64Encoded": true,
                "requestContext": { "httpMethod": "GET", "stage": "a b", "domainName": "a b" },
            }))
            .expect("an event");
            tame(&mut request);
            let request = lambda_http::Request::from(request);
            assert_eq!(request.uri().to_string(), uri);
            assert_eq!(request.headers().len(), 1);
        }
    }

    #[test]
    fn no_host_takes_part_in_the_address_and_every_path_is_one() {
        let event = tamed(json!({
            "rawPath": ":80", "headers": { "Host": "xn--a", "accept": "*/*" },
            "requestContext": {
                "domainName": "a b", "http": { "method": "GET", "path": "/" }, "timeEpoch": 0,
            },
        }));
        assert_eq!(event["rawPath"], "/:80");
        assert_eq!(event["headers"], json!({ "accept": "*/*" }));
        assert!(event["requestContext"]["domainName"].is_null(), "{event}");
    }
}
