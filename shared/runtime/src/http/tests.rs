use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use contract::{
    Code,
    auth::{LoginRequest, Role, SignupRequest},
    page::PageQuery,
    slot::SpinRequest,
};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;
use utoipa::openapi::path::Paths;
use uuid::Uuid;

use super::*;
use crate::{Clock, Deps, Entropy, Env, Problem, auth::JwtKeys};

const KEYS: &str = r#"{"active":"k1","keys":[{"kid":"k1","alg":"HS256",
    "secret":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]}"#;

fn deps() -> Deps {
    Deps::new(
        [("JWT_KEYS_SECRET".to_owned(), "keys".to_owned())].into_iter().collect::<Env>(),
        Clock::new(|| Timestamp::from_second(1_800_000_000).unwrap()),
        Entropy::new(|bytes| bytes.fill(9)),
    )
    .with_secrets([("keys", KEYS)])
}

fn bearer(role: Role) -> String {
    let keys = JwtKeys::from_json(KEYS).unwrap();
    let token = keys.issue(Uuid::from_u128(5), role, Uuid::nil(), deps().clock.now()).token;
    format!("Bearer {}", token.expose())
}

async fn spin(
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<SpinRequest>,
) -> Result<Response, Problem> {
    if request.bet == 13 {
        return Err(
            Problem::new(Code::InsufficientFunds).field("/bet", contract::Rule::InsufficientFunds)
        );
    }
    let body = json!({ "bet": request.bet, "player": caller.player(), "key": key.as_str() });
    Ok(stored_answer(200, body.to_string(), request.bet == 2))
}

fn routes() -> Router {
    Router::new()
        .merge(guarded_routes())
        .route("/signup", post(async |Json(_): Json<SignupRequest>| "ok"))
        .route("/login", post(async |Json(_): Json<LoginRequest>| "ok"))
        .route("/old", deprecated(get(async || Problem::new(Code::NotFound)), "/new"))
        .route("/meta", get(async |meta: Meta| format!("{} {}", meta.request_id, meta.trace_id)))
        .route("/unguarded", get(async |_: Caller| "ok"))
        .route("/page", get(async |Query(page): Query<PageQuery>| page.limit().to_string()))
        .route("/panic", get(async || -> Response { panic!("on purpose") }))
        .route("/broken", get(async || Problem::internal("the secret reason")))
        .route("/busy", get(async || Problem::new(Code::ConflictRetry)))
        .route(
            "/tagged",
            get(async |has: IfNoneMatch| {
                ok_if_changed(&json!({"a": 1}), &has, "private, no-cache")
            }),
        )
}

fn guarded_routes() -> Router {
    let only = |role, route| guarded(role, (Vec::new(), Paths::new(), route)).2;
    Router::new()
        .route("/spin", only(Role::Standard, post(spin)))
        .route("/staff", only(Role::Operator, get(async |_: Caller| "ok")))
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
    json: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.json["code"].as_str().unwrap_or(""))
    }

    fn error(&self) -> (&str, &str) {
        let error = &self.json["errors"][0];
        (error["pointer"].as_str().unwrap_or(""), error["code"].as_str().unwrap_or(""))
    }
}

async fn send(request: Request<Body>) -> Answer {
    let deps = deps();
    let router = signed_in_app(routes(), &deps, deps.jwt_keys().unwrap());
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        json: serde_json::from_slice(&bytes).unwrap_or_default(),
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn fetch(path: &str, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(Request::get(path), |r, (name, value)| r.header(*name, *value));
    send(request.body(Body::empty()).unwrap()).await
}

fn post_json(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, bearer(Role::Standard))
        .header("idempotency-key", "key-1")
        .body(body.into())
        .unwrap()
}

async fn spin_with(body: &str) -> Answer {
    send(post_json("/spin", body.to_owned())).await
}

#[tokio::test]
async fn a_good_request_reaches_the_handler() {
    let answer = spin_with(r#"{"bet":9223372036854775807}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["player"], Uuid::from_u128(5).to_string());
    assert_eq!(answer.header("idempotency-replayed"), "");
    assert_eq!(spin_with(r#"{"bet":2}"#).await.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_bet_that_is_no_positive_integer_is_422_with_its_pointer() {
    for (bet, code) in [
        ("0", "too_small"),
        ("-5", "too_small"),
        ("1e3", "wrong_type"),
        ("1.0", "wrong_type"),
        ("1e400", "wrong_type"),
        ("\"10\"", "wrong_type"),
        ("9223372036854775808", "wrong_type"),
        ("99999999999999999999999999", "wrong_type"),
        ("null", "wrong_type"),
        ("[1]", "wrong_type"),
        ("{}", "wrong_type"),
        ("true", "wrong_type"),
    ] {
        let answer = spin_with(&format!("{{\"bet\":{bet}}}")).await;
        assert_eq!(answer.code(), (422, "validation_failed"), "{bet}");
        assert_eq!(answer.error(), ("/bet", code), "{bet}");
    }
}

#[tokio::test]
async fn shapes_and_syntax_are_told_apart() {
    for (body, code, error) in [
        ("{}", (422, "validation_failed"), ("/bet", "required")),
        (r#"{"bet":1,"x/y":2}"#, (422, "validation_failed"), ("/x~1y", "unknown_field")),
        (r#"{"bet":1,"bet":2}"#, (422, "validation_failed"), ("/bet", "duplicate_field")),
        ("[]", (422, "validation_failed"), ("", "wrong_type")),
        (" [5]", (422, "validation_failed"), ("", "wrong_type")),
        ("[5", (400, "malformed_json"), ("", "")),
        ("7", (422, "validation_failed"), ("", "wrong_type")),
        ("", (400, "malformed_json"), ("", "")),
        ("{", (400, "malformed_json"), ("", "")),
        (r#"{"bet":1}x"#, (400, "malformed_json"), ("", "")),
        (r#"{"bet":01}"#, (400, "malformed_json"), ("", "")),
        (r#"{"bet":NaN}"#, (400, "malformed_json"), ("", "")),
    ] {
        let answer = spin_with(body).await;
        assert_eq!((answer.code(), answer.error()), (code, error), "{body}");
    }
}

#[tokio::test]
async fn a_body_may_have_256_kib_and_no_more() {
    let padded = |bytes: usize| format!("{{\"bet\":1}}{}", " ".repeat(bytes - 9));
    assert_eq!(spin_with(&padded(BODY_LIMIT_BYTES)).await.status, 200);
    assert_eq!(spin_with(&padded(BODY_LIMIT_BYTES + 1)).await.code(), (413, "body_too_large"));
}

#[tokio::test]
async fn another_content_type_is_400() {
    for (content_type, status) in [
        ("application/json; charset=utf-8", 200),
        ("application/merge-patch+json", 200),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
    ] {
        let mut request = post_json("/spin", r#"{"bet":1}"#);
        request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        assert_eq!(send(request).await.status.as_u16(), status, "{content_type}");
    }
}

#[tokio::test]
async fn rules_point_at_every_field_they_refuse() {
    let good = json!({"site_id": "jimin01", "nickname": "지민", "password": "correct horse",
        "invite_code": "5858", "birth_date": "1998-04-01"});
    let with = |name: &str, value: &str| {
        let mut body = good.clone();
        body[name] = value.into();
        post_json("/signup", body.to_string())
    };
    assert_eq!(send(post_json("/signup", good.to_string())).await.status, 200);
    for (name, value, code, rule) in [
        ("site_id", "ab", "validation_failed", "too_short"),
        ("site_id", "has space", "validation_failed", "invalid_format"),
        ("nickname", "지", "validation_failed", "too_short"),
        ("nickname", "ad\u{200b}min", "validation_failed", "invalid_format"),
        ("password", "short", "weak_password", "weak_password"),
        ("password", "Password123", "weak_password", "weak_password"),
        ("password", "aaaaaaaaaaaa", "weak_password", "weak_password"),
        ("invite_code", "", "validation_failed", "too_short"),
        ("birth_date", "1998-02-30", "validation_failed", "wrong_type"),
    ] {
        let answer = send(with(name, value)).await;
        assert_eq!(answer.code(), (422, code), "{name}={value}");
        assert_eq!(answer.error(), (format!("/{name}").as_str(), rule), "{name}={value}");
    }
}

#[tokio::test]
async fn who_is_not_known_is_401_whatever_is_wrong_with_the_token() {
    let good = bearer(Role::Standard);
    for authorization in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer x.y.z"),
        Some("Basic YTpi"),
        Some(&good[..good.len() - 2]),
    ] {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
        let answer = fetch("/staff", &headers).await;
        assert_eq!(answer.code(), (401, "unauthenticated"), "{authorization:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(fetch("/staff", &[("authorization", &good)]).await.code(), (403, "forbidden"));
    assert_eq!(fetch("/staff", &[("authorization", &bearer(Role::Admin))]).await.status, 200);
    let answer = fetch("/unguarded", &[("authorization", &good)]).await;
    assert_eq!(answer.code(), (500, "internal"), "nobody has said who may call it");
}

#[tokio::test]
async fn money_moves_need_a_usable_idempotency_key() {
    let with = async |names: &[(&'static str, &str)]| {
        let mut request = post_json("/spin", r#"{"bet":1}"#);
        request.headers_mut().remove("idempotency-key");
        for (name, value) in names {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        send(request).await
    };
    let long = "k".repeat(129);
    assert_eq!(with(&[]).await.code(), (422, "idempotency_key_required"));
    for bad in ["", "a b", long.as_str()] {
        assert_eq!(
            with(&[("idempotency-key", bad)]).await.code(),
            (422, "idempotency_key_invalid")
        );
    }
    let two = [("idempotency-key", "a"), ("x-idempotency-key", "b")];
    assert_eq!(with(&two).await.code(), (422, "idempotency_key_invalid"));
    assert_eq!(with(&[("x-idempotency-key", "older")]).await.json["key"], "older");
    assert_eq!(with(&[("idempotency-key", &long[..128])]).await.status, 200);
}

#[tokio::test]
async fn problems_speak_the_readers_language_and_both_shapes() {
    let korean = spin_with(r#"{"bet":13}"#).await;
    assert_eq!(korean.code(), (422, "insufficient_funds"));
    assert_eq!(korean.header("content-type"), "application/problem+json");
    assert_eq!(korean.json["detail"], "보유한 골드가 부족합니다.");
    assert_eq!(
        korean.json["error"],
        json!({"code": "insufficient_funds", "message": "보유한 골드가 부족합니다."})
    );
    assert_eq!(korean.json["status"], 422);
    assert_eq!(korean.json["instance"], "/spin");
    assert_eq!(korean.json["type"], "urn:casino-club:problem:insufficient_funds");

    let mut request = post_json("/spin", r#"{"bet":13}"#);
    request.headers_mut().insert("accept-language", "fr, en-US;q=0.9".parse().unwrap());
    let english = send(request).await;
    assert_eq!(english.json["error"]["message"], "You do not have enough gold.");
    assert_eq!(english.json["errors"][0]["detail"], "This is more than you have.");
    assert_eq!(english.header("content-language"), "en");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    assert_eq!(fetch("/nowhere?token=x", &[]).await.code(), (404, "not_found"));
    let wrong =
        send(Request::builder().method(Method::DELETE).uri("/spin").body(Body::empty()).unwrap())
            .await;
    assert_eq!(wrong.code(), (405, "method_not_allowed"));
    assert_eq!(wrong.header("allow"), "POST");
}

#[tokio::test]
async fn failures_of_ours_tell_nothing() {
    for path in ["/panic", "/broken"] {
        let answer = fetch(path, &[]).await;
        assert_eq!(answer.code(), (500, "internal"));
        assert!(!answer.text.contains("secret") && !answer.text.contains("purpose"));
    }
    let busy = fetch("/busy", &[]).await;
    assert_eq!((busy.code(), busy.header("retry-after")), ((503, "conflict_retry"), "1"));
}

#[tokio::test]
async fn the_request_id_is_echoed_or_made() {
    let echoed =
        fetch("/meta", &[("x-request-id", "abc-1"), ("x-amzn-trace-id", "Self=x;Root=1-2-3")])
            .await;
    assert_eq!((echoed.header("x-request-id"), echoed.text.as_str()), ("abc-1", "abc-1 1-2-3"));
    let made = fetch("/meta", &[("x-request-id", "no spaces")]).await;
    let id = Uuid::parse_str(made.header("x-request-id")).unwrap();
    assert_eq!(id.get_version_num(), 7);
    let problem = fetch("/busy", &[("x-request-id", "abc-2")]).await;
    assert_eq!(problem.json["request_id"], "abc-2");
}

#[tokio::test]
async fn a_trace_is_the_clients_or_else_lambdas() {
    let lambdas = ("x-amzn-trace-id", "Root=1-2-3;Parent=4;Sampled=0");
    for (traceparent, trace) in [
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "1-2-3"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "1-2-3"),
        ("00-4bf92f35-00f067aa0ba902b7-01", "1-2-3"),
        ("4bf92f3577b34da6a3ce929d0e0e4736", "1-2-3"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736", "1-2-3"),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "1-2-3"),
    ] {
        let traced = fetch("/meta", &[lambdas, ("traceparent", traceparent)]).await;
        assert!(traced.text.ends_with(&format!(" {trace}")), "{traceparent}: {}", traced.text);
    }
    let long = format!("Root={}", "f".repeat(65));
    let untraced = fetch("/meta", &[("x-request-id", "abc-3"), ("x-amzn-trace-id", &long)]).await;
    assert_eq!(untraced.text, "abc-3 abc-3");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    for path in ["/meta", "/nowhere", "/panic"] {
        let answer = fetch(path, &[]).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("strict-transport-security").starts_with("max-age="));
    }
}

#[tokio::test]
async fn an_unchanged_thing_is_304() {
    let first = fetch("/tagged", &[]).await;
    assert_eq!((first.status.as_u16(), first.header("cache-control")), (200, "private, no-cache"));
    let etag = first.header("etag").to_owned();
    for (has, status) in [
        (etag.clone(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"other\", {etag}"), 304),
        ("*".into(), 304),
        ("\"other\"".into(), 200),
    ] {
        let again = fetch("/tagged", &[("if-none-match", &has)]).await;
        assert_eq!(again.status.as_u16(), status, "{has}");
        assert_eq!(again.text.is_empty(), status == 304);
        assert_eq!(again.header("etag"), etag);
    }
}

#[tokio::test]
async fn an_old_path_says_where_the_new_one_is() {
    let answer = fetch("/old", &[]).await;
    assert_eq!(answer.header("deprecation"), "true");
    assert_eq!(answer.header("link"), "</new>; rel=\"successor-version\"");
    assert!(answer.header("sunset").ends_with("GMT"));
    assert_eq!(answer.json["instance"], "/old");
}

#[tokio::test]
async fn queries_are_checked_too() {
    assert_eq!(fetch("/page", &[]).await.text, "20");
    assert_eq!(fetch("/page?limit=100", &[]).await.text, "100");
    for (query, rule) in
        [("limit=0", "too_small"), ("limit=101", "too_large"), ("limit=x", "wrong_type")]
    {
        let answer = fetch(&format!("/page?{query}"), &[]).await;
        assert_eq!(
            (answer.code(), answer.error()),
            ((422, "validation_failed"), ("/limit", rule)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_app_without_keys_serves_what_needs_no_caller() {
    let router = app(routes(), &deps());
    let ask = async |path: &str| {
        let mut request = Request::get(path);
        request = request.header("authorization", bearer(Role::Admin));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    };
    assert_eq!(ask("/meta").await, 200);
    assert_eq!(ask("/staff").await, 500);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_a_503_for_callers_only() {
    let keyless = deps().with_secrets([("other", KEYS)]);
    let router = signed_in_app(routes(), &keyless, keyless.jwt_keys().unwrap());
    let ask = async |path: &str| {
        let request = Request::get(path).header("authorization", bearer(Role::Admin));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    assert_eq!(ask("/meta").await.status(), 200);
    let answer = ask("/staff").await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
}
