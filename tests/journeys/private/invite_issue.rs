//! `POST /api/admin/invite-codes`: codes that let players in.

use domain::Role;
use futures::future::join_all;
use runtime::Clock;
use serde_json::{Value, json};
use tests::{Answer, Api, Hands, Maker, Player, fresh_name, signup_body, stack, stack_with};

const CODES: &str = "/api/admin/invite-codes";
const NOON: &str = "2026-12-01T12:00:00Z";

fn body(code: &str, uses: u32, expires_at: &str) -> Value {
    json!({ "code": code, "uses": uses, "expires_at": expires_at, "reason": "a test" })
}

async fn issue(operator: &Player, body: &Value) -> Answer {
    operator.api.post(CODES, body).key(&fresh_name()).send().await
}

/// A signup with the code.
async fn sign_up(api: &Api, code: &str) -> Answer {
    let name = fresh_name();
    let mut body = signup_body(&name, &name[name.len().saturating_sub(18)..]);
    body["invite_code"] = code.into();
    api.post("/api/auth/signup", &body).send().await
}

#[tokio::test]
async fn a_code_lets_in_as_many_as_it_says_until_it_expires() {
    let hands = Hands::at(NOON);
    let options = hands.options();
    let clock = options.clock.clone();
    let stack = stack_with(options).await;
    let maker = Maker::new(&stack, clock).await;
    let operator = maker.player(Role::Operator).await;
    let api = Api::new(&stack.base_url);
    sign_up(&api, "SPRING").await.is_problem(422, "invalid_invite_code");

    let answer = issue(&operator, &body("SPRING", 3, "2026-12-01T13:00:00.9Z")).await;
    assert_eq!(answer.status, 201);
    let issued = json!({ "code": "SPRING", "uses": 3, "expires_at": "2026-12-01T13:00:00Z" });
    assert_eq!(answer.json(), issued);
    for code in ["spring", "SPRING ", "SPRIN"] {
        assert_eq!(sign_up(&api, code).await.status, 422, "{code}");
    }
    assert_eq!(sign_up(&api, "SPRING").await.status, 201);
    hands.set("2026-12-01T12:59:59.999Z");
    assert_eq!(sign_up(&api, "SPRING").await.status, 201);
    hands.set("2026-12-01T13:00:00Z");
    sign_up(&api, "SPRING").await.is_problem(422, "invalid_invite_code");
    // With one use left, it is over all the same.
    hands.set("2026-12-01T12:30:00Z");
    assert_eq!(sign_up(&api, "SPRING").await.status, 201);
    sign_up(&api, "SPRING").await.is_problem(422, "invalid_invite_code");
}

#[tokio::test]
async fn a_signup_is_answered_again_when_it_was_the_codes_last_use() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = maker.player(Role::Operator).await;
    let tomorrow = (Clock::system().now() + jiff::SignedDuration::from_hours(24)).to_string();
    issue(&operator, &body("LAST-ONE", 1, &tomorrow)).await.ok();
    let api = Api::new(&stack.base_url);
    let name = fresh_name();
    let mut request = signup_body(&name, &name[name.len().saturating_sub(18)..]);
    request["invite_code"] = "LAST-ONE".into();
    let sign_up = |request: &Value| api.post("/api/auth/signup", request).key("the-signup").send();
    let (first, again) = (sign_up(&request).await, sign_up(&request).await);
    assert_eq!(first.status, 201);
    assert_eq!(again.status, 201);
    assert_eq!(first.json(), again.json());
    // The same key for another birth date is another request, though nothing keeps it.
    request["birth_date"] = "1998-04-02".into();
    sign_up(&request).await.is_problem(409, "idempotency_key_reused");
}

#[tokio::test]
async fn a_signup_that_fails_uses_nothing_up() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = maker.player(Role::Operator).await;
    let tomorrow = (Clock::system().now() + jiff::SignedDuration::from_hours(24)).to_string();
    issue(&operator, &body("ONLY-ONE", 1, &tomorrow)).await.ok();
    let api = Api::new(&stack.base_url);
    let mut taken = signup_body(&operator.site_id, &fresh_name()[..12]);
    taken["invite_code"] = "ONLY-ONE".into();
    let answer = api.post("/api/auth/signup", &taken).send().await;
    answer.is_problem(409, "site_id_taken");
    assert_eq!(sign_up(&api, "ONLY-ONE").await.status, 201);
    assert_eq!(sign_up(&api, "ONLY-ONE").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_signups_with_a_code_of_ten_uses_ten_succeed() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = maker.player(Role::Operator).await;
    let tomorrow = (Clock::system().now() + jiff::SignedDuration::from_hours(24)).to_string();
    issue(&operator, &body("TEN-USES", 10, &tomorrow)).await.ok();
    let api = Api::new(&stack.base_url);

    let answers = join_all((0..50).map(|_| async {
        loop {
            let answer = sign_up(&api, "TEN-USES").await;
            // Too many at once: nothing happened, the same again.
            if answer.status != 503 {
                return answer;
            }
            answer.is_problem(503, "conflict_retry");
        }
    }))
    .await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.is_problem(422, "invalid_invite_code");
    }
    let left = stack.store("test").invite("TEN-USES").await.expect("answers").expect("the code");
    assert_eq!(left.uses_left, 0);
}

#[tokio::test]
async fn a_code_is_issued_once_and_the_answer_given_again() {
    let hands = Hands::at(NOON);
    let options = hands.options();
    let clock = options.clock.clone();
    let stack = stack_with(options).await;
    let maker = Maker::new(&stack, clock.clone()).await;
    let operator = maker.player(Role::Operator).await;
    let random = json!({ "uses": 1, "expires_at": "2026-12-02T00:00:00Z", "reason": "a test" });
    let first = operator.api.post(CODES, &random).key("code").send().await;
    let code = first.ok()["code"].as_str().expect("a code").to_owned();
    assert!(code.len() == 10 && !code.contains(['0', 'O', '1', 'I']), "{code}");

    // However late it is asked for again.
    hands.set("2026-12-03T00:00:00Z");
    let token = maker.token(&operator, Role::Operator, clock.now()).await;
    let later = operator.api.with_token(&token);
    let again = later.post(CODES, &random).key("code").send().await;
    assert_eq!((again.status.as_u16(), again.is_replayed(), &again.text), (201, true, &first.text));
    let other = body(&code, 2, "2026-12-04T00:00:00Z");
    let reused = later.post(CODES, &other).key("code").send().await;
    reused.is_problem(409, "idempotency_key_reused");
    let exists = later.post(CODES, &other).key("another").send().await;
    exists.is_problem(409, "invite_code_exists");
    later.post(CODES, &other).send().await.is_problem(409, "invite_code_exists");
    // Without a key it is another request each time, and another code.
    let keyless = json!({ "uses": 1, "expires_at": "2026-12-04T00:00:00Z", "reason": "a test" });
    let first = later.post(CODES, &keyless).send().await.ok();
    assert_ne!(later.post(CODES, &keyless).send().await.ok()["code"], first["code"]);

    let player = maker.player(Role::Vip).await;
    issue(&player, &other).await.is_problem(403, "forbidden");
    Api::new(&stack.base_url).post(CODES, &other).send().await.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_a_code_may_not_be_is_422_with_the_place() {
    let hands = Hands::at(NOON);
    let options = hands.options();
    let clock = options.clock.clone();
    let stack = stack_with(options).await;
    let operator = Maker::new(&stack, clock).await.player(Role::Operator).await;
    for (member, value, rule) in [
        ("code", json!("abc"), "too_short"),
        ("code", json!("c".repeat(65)), "too_long"),
        ("code", json!("a b c"), "invalid_format"),
        ("uses", json!(0), "too_small"),
        ("uses", json!(100_001), "too_large"),
        ("uses", json!(-1), "wrong_type"),
        ("expires_at", json!("2026-12-01T12:00:00Z"), "too_small"),
        ("expires_at", json!("2026-12-01T11:59:59Z"), "too_small"),
        ("expires_at", json!("2027-12-01T12:00:01Z"), "too_large"),
        ("expires_at", json!("tomorrow"), "wrong_type"),
        ("reason", json!(""), "too_short"),
        ("reason", json!("r".repeat(201)), "too_long"),
        ("who", json!("me"), "unknown_field"),
    ] {
        let mut body = body("ABCD", 1, "2027-12-01T12:00:00Z");
        body[member] = value.clone();
        let problem = issue(&operator, &body).await.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"), "{value}");
        assert_eq!(problem["errors"][0]["code"], rule, "{member}: {value}");
    }
    issue(&operator, &body("ABCD", 1, "2027-12-01T12:00:00Z")).await.ok();
}
