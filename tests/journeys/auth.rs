//! Signing up and logging in.

use serde_json::{Value, json};
use tests::{Answer, Api, Hands, PASSWORD, Target, fresh_name, signup_body, stack_with};

const SIGNUP: &str = "/api/auth/signup";
const LOGIN: &str = "/api/auth/login";

async fn sign_up(api: &Api, body: &Value) -> Answer {
    api.post(SIGNUP, body).send().await
}

/// A signup body nobody else uses, with one member replaced.
fn body_with(member: &str, value: impl Into<Value>) -> Value {
    let name = fresh_name();
    let mut body = signup_body(&name, &name[name.len().saturating_sub(18)..]);
    body[member] = value.into();
    body
}

#[tokio::test]
async fn signing_up_gives_a_session_and_a_player_with_starting_gold() {
    let target = Target::start().await;
    let body = body_with("invite_code", "5858");
    let answer = sign_up(&target.api(), &body).await;
    assert_eq!(answer.status, 201);
    let session = answer.ok();
    assert_eq!((&session["token_type"], &session["expires_in"]), (&json!("bearer"), &json!(900)));
    assert!(session["refresh_token"].as_str().is_some_and(|token| token.len() >= 43));
    let user = &session["user"];
    assert_eq!(user["site_id"], body["site_id"]);
    assert_eq!(user["nickname"], body["nickname"]);
    assert_eq!((&user["gold_balance"], &user["level"]), (&json!(1000), &json!(1)));
    assert!(!answer.text.contains("password_hash") && !answer.text.contains(PASSWORD));

    let token = session["access_token"].as_str().expect("a token");
    assert_eq!(&target.api().with_token(token).get("/api/auth/me").await.ok(), user);
}

#[tokio::test]
async fn a_name_in_other_case_is_the_same_name() {
    let target = Target::start().await;
    let player = target.player().await;
    let taken = sign_up(&target.api(), &body_with("site_id", player.site_id.to_uppercase())).await;
    taken.is_problem(409, "site_id_taken");
    let taken =
        sign_up(&target.api(), &body_with("nickname", player.nickname.to_uppercase())).await;
    taken.is_problem(409, "nickname_taken");
}

#[tokio::test]
async fn a_refused_signup_takes_no_name() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut body = body_with("nickname", player.nickname.as_str());
    sign_up(&target.api(), &body).await.is_problem(409, "nickname_taken");
    body["nickname"] = fresh_name()[..12].into();
    let answer = sign_up(&target.api(), &body).await;
    assert_eq!(answer.status, 201, "the site id is still free: {}", answer.text);
}

#[tokio::test]
async fn rules_of_signup_are_422_with_the_place() {
    let target = Target::start().await;
    for (member, value, code, rule) in [
        ("invite_code", "0000", "invalid_invite_code", "invalid_format"),
        ("password", "short", "weak_password", "weak_password"),
        ("password", "password123", "weak_password", "weak_password"),
        ("site_id", "a b", "validation_failed", "invalid_format"),
        ("nickname", "x", "validation_failed", "too_short"),
        ("birth_date", "1998-02-30", "validation_failed", "wrong_type"),
        ("role", "admin", "validation_failed", "unknown_field"),
    ] {
        let answer = sign_up(&target.api(), &body_with(member, value)).await;
        let problem = answer.is_problem(422, code);
        assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"));
        assert_eq!(problem["errors"][0]["code"], rule, "{member}={value}");
    }
}

#[tokio::test]
async fn the_nineteenth_birthday_is_the_first_day_to_sign_up() {
    let hands = Hands::at("2026-12-01T23:59:59Z");
    let stack = stack_with(hands.options()).await;
    let api = Api::new(&stack.base_url);
    let tomorrow = body_with("birth_date", "2007-12-02");
    let problem = sign_up(&api, &tomorrow).await.is_problem(422, "underage");
    assert_eq!(problem["minimum_age_years"], 19);
    assert_eq!(sign_up(&api, &body_with("birth_date", "2007-12-01")).await.status, 201);
    hands.set("2026-12-02T00:00:00Z");
    assert_eq!(sign_up(&api, &tomorrow).await.status, 201);
}

#[tokio::test]
async fn register_answers_as_signup_and_says_that_it_is_old() {
    let target = Target::start().await;
    let body = body_with("invite_code", "5858");
    let old = target.api().post("/api/auth/register", &body).key("first").send().await;
    assert_eq!(old.status, 201);
    assert_eq!(old.header("deprecation"), "true");
    assert_eq!(old.header("link"), "</api/auth/signup>; rel=\"successor-version\"");
    assert!(old.header("sunset").ends_with("GMT"));
    let new = target.api().post(SIGNUP, &body).key("first").send().await;
    assert_eq!((new.is_replayed(), &new.text), (true, &old.text));
    assert_eq!(new.header("deprecation"), "");
}

#[tokio::test]
async fn a_signup_sent_again_is_answered_again_byte_for_byte() {
    let target = Target::start().await;
    let (api, key) = (target.api(), fresh_name());
    let body = body_with("invite_code", "5858");
    let first = api.post(SIGNUP, &body).key(&key).send().await;
    let again = api.post(SIGNUP, &body).key(&key).send().await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!((first.is_replayed(), again.is_replayed()), (false, true));
    assert_eq!(first.text, again.text);

    for (member, value) in
        [("nickname", fresh_name()[..12].to_owned()), ("password", "another-horse-9".to_owned())]
    {
        let mut other = body.clone();
        other[member] = value.into();
        let answer = api.post(SIGNUP, &other).key(&key).send().await;
        answer.is_problem(409, "idempotency_key_reused");
        assert!(!answer.text.contains("access_token"));
    }
}

#[tokio::test]
async fn site_id_and_nickname_both_log_in_in_any_case() {
    let target = Target::start().await;
    let player = target.player().await;
    for name in [&player.site_id, &player.nickname, &player.site_id.to_uppercase()] {
        let body = json!({ "site_id": name, "password": PASSWORD });
        let session = target.api().post(LOGIN, &body).send().await.ok();
        assert_eq!(session["user"]["id"], player.id.as_str());
        assert_eq!(session["user"]["site_id"], player.site_id.as_str());
        assert_eq!(session["must_change_password"], false);
        let api = target.api().with_token(session["access_token"].as_str().expect("a token"));
        assert_eq!(api.get("/api/auth/me").await.ok()["id"], player.id.as_str());
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_get_the_same_answer() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut answers = Vec::new();
    for (name, password) in
        [(player.site_id.as_str(), "wrong-horse-9"), ("nobody-at-all", PASSWORD)]
    {
        let body = json!({ "site_id": name, "password": password });
        let answer = target.api().post(LOGIN, &body).header("x-request-id", "same").send().await;
        answer.is_problem(401, "invalid_credentials");
        answers.push(answer.text);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_login_sent_again_opens_no_second_session() {
    let target = Target::start().await;
    let player = target.player().await;
    let (body, key) = (json!({ "site_id": player.site_id, "password": PASSWORD }), fresh_name());
    let first = target.api().post(LOGIN, &body).key(&key).send().await;
    let again = target.api().post(LOGIN, &body).key(&key).send().await;
    assert_eq!((first.is_replayed(), again.is_replayed()), (false, true));
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));

    let wrong = json!({ "site_id": player.site_id, "password": "wrong-horse-9" });
    let answer = target.api().post(LOGIN, &wrong).key(&key).send().await;
    answer.is_problem(401, "invalid_credentials");
    let other = target.api().post(LOGIN, &body).send().await;
    assert_ne!(other.ok()["refresh_token"], first.ok()["refresh_token"]);
}
