//! One name, wanted by many at once.

use serde_json::json;
use tests::{Api, fresh_name, signup_body, stack};

use crate::support::at_once;

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_signups_with_one_site_id_one_succeeds() {
    let stack = stack().await;
    let api = Api::new(&stack.base_url);
    let site_id = fresh_name();

    let answers = at_once(50, |number| {
        api.post("/api/auth/signup", &signup_body(&site_id, &format!("nick{number}")))
    })
    .await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:#?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.is_problem(409, "site_id_taken");
    }
    let body = json!({ "site_id": site_id, "password": tests::PASSWORD });
    let login = api.post("/api/auth/login", &body).send().await.ok();
    let winner = answers.iter().find(|answer| answer.status == 201).expect("one").json();
    assert_eq!(login["user"]["id"], winner["user"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_signups_with_one_nickname_in_any_case_one_succeeds() {
    let stack = stack().await;
    let api = Api::new(&stack.base_url);

    let answers = at_once(10, |number| {
        let nickname = if number % 2 == 0 { "TheOne" } else { "theone" };
        api.post("/api/auth/signup", &signup_body(&fresh_name(), nickname))
    })
    .await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:#?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.is_problem(409, "nickname_taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signups_with_one_key_make_one_player() {
    let stack = stack().await;
    let api = Api::new(&stack.base_url);
    let body = signup_body(&fresh_name(), "Jimin");

    let answers = at_once(10, |_| api.post("/api/auth/signup", &body).key("signup")).await;

    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.text), (201, &answers[0].text));
    }
    assert_eq!(answers.iter().filter(|answer| answer.is_replayed()).count(), 9);
}
