//! A function's answer as HTTP.

use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Map, Value};

use super::Reply;

/// The answer, by the rules of payload format 2.0: what has a `statusCode` is
/// a response, any other JSON is the body of a 200. `None` if it breaks them.
pub(super) fn reply(answer: &Value) -> Option<Reply> {
    let Some(status) = answer.get("statusCode").filter(|status| !status.is_null()) else {
        let mut reply = Response::new(Full::from(answer.to_string()));
        let json = HeaderValue::from_static("application/json");
        reply.headers_mut().insert(header::CONTENT_TYPE, json);
        return Some(reply);
    };
    let mut reply = Response::new(Full::from(body(answer)?));
    *reply.status_mut() = self::status(status)?;
    let headers = reply.headers_mut();
    single_values(answer.get("headers"), headers)?;
    multiple_values(answer.get("multiValueHeaders"), headers)?;
    for cookie in answer.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        headers.append(header::SET_COOKIE, value(cookie)?);
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        let plain = HeaderValue::from_static("text/plain;charset=UTF-8");
        headers.insert(header::CONTENT_TYPE, plain);
    }
    // The length is the gateway's to say.
    headers.remove(header::CONTENT_LENGTH);
    Some(reply)
}

fn status(given: &Value) -> Option<StatusCode> {
    let code = match given {
        Value::String(text) => text.parse().ok()?,
        other => u16::try_from(other.as_u64()?).ok()?,
    };
    StatusCode::from_u16(code).ok().filter(|code| code.as_u16() < 600)
}

fn body(answer: &Value) -> Option<Bytes> {
    let text = match answer.get("body") {
        None | Some(Value::Null) => return Some(Bytes::new()),
        Some(Value::String(text)) => text,
        Some(_) => return None,
    };
    if answer.get("isBase64Encoded") == Some(&Value::Bool(true)) {
        BASE64.decode(text).ok().map(Bytes::from)
    } else {
        Some(Bytes::from(text.clone()))
    }
}

fn single_values(given: Option<&Value>, headers: &mut HeaderMap) -> Option<()> {
    for (name, given) in object(given)? {
        headers.insert(self::name(name)?, value(given)?);
    }
    Some(())
}

/// A name that `headers` has as well is said once, with all values.
fn multiple_values(given: Option<&Value>, headers: &mut HeaderMap) -> Option<()> {
    for (name, all) in object(given)? {
        let name = self::name(name)?;
        headers.remove(&name);
        for one in all.as_array()? {
            headers.append(&name, value(one)?);
        }
    }
    Some(())
}

fn object(given: Option<&Value>) -> Option<impl Iterator<Item = (&String, &Value)>> {
    let map = match given {
        None | Some(Value::Null) => None,
        Some(other) => Some(other.as_object()?),
    };
    Some(map.into_iter().flat_map(Map::iter))
}

fn name(name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).ok()
}

fn value(given: &Value) -> Option<HeaderValue> {
    match given {
        Value::String(text) => HeaderValue::from_str(text).ok(),
        Value::Number(_) | Value::Bool(_) => HeaderValue::from_str(&given.to_string()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_without_a_status_is_the_body_of_a_200() {
        let reply = reply(&json!({ "a": 1 })).expect("valid");
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()[header::CONTENT_TYPE], "application/json");
    }

    #[test]
    fn headers_cookies_and_several_values_arrive() {
        let reply = reply(&json!({
            "statusCode": 201,
            "headers": { "X-One": "1", "x-n": 5 },
            "multiValueHeaders": { "x-one": ["1", "2"] },
            "cookies": ["a=1", "b=2"],
            "body": "aGk=", "isBase64Encoded": true,
        }))
        .expect("valid");
        assert_eq!(reply.status(), StatusCode::CREATED);
        let all = |name: &str| -> Vec<_> { reply.headers().get_all(name).iter().collect() };
        assert_eq!(all("x-one"), ["1", "2"]);
        assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(all("x-n"), ["5"]);
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for broken in [
            json!({ "statusCode": 99 }),
            json!({ "statusCode": "no" }),
            json!({ "statusCode": 200, "body": { "a": 1 } }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
            json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
        ] {
            assert!(reply(&broken).is_none(), "{broken}");
        }
    }
}
