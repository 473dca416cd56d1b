//! An event of the HTTP API, before the adapter makes a request of it.
//!
//! The adapter panics when it cannot make a URI of an event, and API Gateway passes
//! path, query and `Host` on as whoever asked has written them.

use axum::http::header;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a URI's query cannot hold as it is.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Makes the event one that the adapter can read, without a change of meaning:
/// encodes what should have been, and leaves the host out, which no function reads.
pub fn tame(request: &mut LambdaRequest) {
    let LambdaRequest::ApiGatewayV2(event) = request else { return };
    if let Some(query) = &mut event.raw_query_string {
        *query = utf8_percent_encode(query, NOT_IN_A_QUERY).to_string();
    }
    if let Some(path) = &mut event.raw_path
        && !path.starts_with('/')
    {
        path.insert(0, '/');
    }
    // The adapter panics over what is said to be Base64 and is not.
    if event.is_base64_encoded {
        let body = event.body.as_deref().unwrap_or_default();
        event.is_base64_encoded = BASE64_STANDARD.decode(body).is_ok();
    }
    event.request_context.domain_name = None;
    event.headers.remove(header::HOST);
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
