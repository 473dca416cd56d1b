//! `/api/admin/fraud/rules`: rules that operators change without a deployment.

use domain::{Role, fraud::Action};
use reqwest::Method;
use runtime::Clock;
use serde_json::{Value, json};
use tests::{Answer, Api, Hands, Maker, Player, Purchase, Till, stack, stack_with};

const RULES: &str = "/api/admin/fraud/rules";
const TEST: &str = "/api/admin/fraud/rules/test";

/// Flags every purchase of so much or more.
fn flagging_from(amount: u64) -> Value {
    json!({
        "format": 1,
        "thresholds": { "review": 10 },
        "rules": [{
            "id": "large", "explanation": "A large amount", "score": 10,
            "when": { "feature": "amount_minor", "is": ">=", "value": amount },
        }],
    })
}

fn request(document: &Value, expected_version: u32) -> Value {
    json!({ "document": document, "expected_version": expected_version, "reason": "a test" })
}

async fn put(operator: &Player, key: &str, body: &Value) -> Answer {
    operator.api.call(Method::PUT, RULES).key(key).body(body.to_string()).send().await
}

async fn operator() -> (devstack::Stack, Maker, Player) {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = maker.player(Role::Operator).await;
    (stack, maker, operator)
}

#[tokio::test]
async fn rules_count_from_the_next_purchase_on_and_every_version_is_kept() {
    let (stack, maker, operator) = operator().await;
    let till = Till::new(&stack, "test", Clock::system());
    let player = maker.player(Role::Standard).await;
    let before = operator.api.get(RULES).await.ok();
    assert_eq!((&before["version"], &before["version_in_force"]), (&json!(0), &json!(0)));
    let first = till.assess(&Purchase::of(&player, "first")).await.expect("is decided");
    assert_eq!((first.decision.action, first.decision.rules_version), (Action::Allow, 0));

    let (flagging, mild) = (flagging_from(1_100), flagging_from(1_000_000));
    let answer = put(&operator, "one", &request(&flagging, 0)).await.ok();
    let expected = json!({ "version": 1, "previous_version": 0, "dry_run": false });
    assert_eq!(answer, expected);
    let second = till.assess(&Purchase::of(&player, "second")).await.expect("is decided");
    assert_eq!((second.decision.action, second.decision.rules_version), (Action::Review, 1));
    put(&operator, "two", &request(&mild, 1)).await.ok();
    let third = till.assess(&Purchase::of(&player, "third")).await.expect("is decided");
    assert_eq!((third.decision.action, third.decision.rules_version), (Action::Allow, 2));
    // What was decided stays decided.
    let again = till.assess(&Purchase::of(&player, "second")).await.expect("is decided");
    assert_eq!(again, second);

    for (path, version, document) in [
        (RULES.to_owned(), 2, &mild),
        (format!("{RULES}?version=2"), 2, &mild),
        (format!("{RULES}?version=1"), 1, &flagging),
        (format!("{RULES}?version=0"), 0, &before["document"]),
    ] {
        let answer = operator.api.get(&path).await.ok();
        let expected = json!({
            "version": version, "version_in_force": 2, "document": document,
        });
        assert_eq!(answer, expected, "{path}");
    }
    let none = operator.api.get("/api/admin/fraud/rules?version=3").await;
    none.is_problem(404, "fraud_rules_not_found");
    let wrong = operator.api.get("/api/admin/fraud/rules?version=x").await;
    wrong.is_problem(422, "validation_failed");
}

#[tokio::test]
async fn of_two_operators_who_saw_the_same_rules_the_second_is_told() {
    let (stack, maker, operator) = operator().await;
    let other = maker.player(Role::Operator).await;
    let (mine, theirs) = (flagging_from(1), flagging_from(2));
    let first = put(&operator, "put", &request(&mine, 0)).await;
    let refused = put(&other, "put", &request(&theirs, 0)).await;
    let problem = refused.is_problem(409, "fraud_rules_moved");
    assert_eq!(problem["version"], 1);
    put(&other, "ahead", &request(&theirs, 5)).await.is_problem(409, "fraud_rules_moved");

    // The same request is answered again, even when it would be refused now.
    put(&other, "after", &request(&theirs, 1)).await.ok();
    let again = put(&operator, "put", &request(&mine, 0)).await;
    assert_eq!((again.is_replayed(), &again.text), (true, &first.text));
    let reused = put(&operator, "put", &request(&theirs, 0)).await;
    reused.is_problem(409, "idempotency_key_reused");

    // In the journal: who, what and why.
    let journal = tests::books(&stack, &operator).await;
    let entry = journal.last().expect("an entry");
    let event = domain::envelope(entry);
    assert_eq!(event.event_type, "admin.action");
    assert_eq!(event.payload["action"], "fraud_rules.activate");
    assert_eq!(
        (&event.payload["version"], &event.payload["reason"]),
        (&json!(1), &json!("a test"))
    );

    // Without a key it is another request each time, of which the second comes too late.
    let keyless = || operator.api.call(Method::PUT, RULES).body(request(&mine, 2).to_string());
    assert_eq!(keyless().send().await.ok()["version"], 3);
    keyless().send().await.is_problem(409, "fraud_rules_moved");
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_changes_nothing() {
    let (_stack, _, operator) = operator().await;
    let mut body = request(&flagging_from(1), 0);
    body["dry_run"] = json!(true);
    let answer = put(&operator, "dry", &body).await.ok();
    assert_eq!(answer, json!({ "version": 1, "previous_version": 0, "dry_run": true }));
    assert_eq!(operator.api.get(RULES).await.ok()["version"], 0);
    body["expected_version"] = json!(3);
    let moved = put(&operator, "dry", &body).await.is_problem(409, "fraud_rules_moved");
    assert_eq!(moved["version"], 0);
    body["document"]["rules"][0]["score"] = json!(0);
    put(&operator, "dry", &body).await.is_problem(422, "validation_failed");
}

#[tokio::test]
async fn what_is_wrong_with_rules_is_422_with_the_place() {
    let (_stack, maker, operator) = operator().await;
    let rule = "/document/rules/0";
    for (pointer, value, at, code) in [
        ("/rules/0/id", json!("Large"), format!("{rule}/id"), "invalid_format"),
        ("/rules/0/score", json!(1_001), format!("{rule}/score"), "too_large"),
        ("/rules/0/score", json!("10"), format!("{rule}/score"), "wrong_type"),
        ("/rules/0/when/feature", json!("shoe_size"), format!("{rule}/when/feature"), "wrong_type"),
        ("/rules/0/when/is", json!("=>"), format!("{rule}/when/is"), "wrong_type"),
        ("/rules/0/when", json!({ "all": [] }), format!("{rule}/when/all"), "too_short"),
        ("/rules/0/when", json!({}), format!("{rule}/when/value"), "required"),
        ("/rules/0/when", json!({ "none": [] }), format!("{rule}/when/none"), "unknown_field"),
        ("/rules/0/when", json!(["amount_minor"]), format!("{rule}/when"), "wrong_type"),
        ("/rules/0", json!(["large", 10]), rule.to_owned(), "wrong_type"),
        ("/thresholds", json!([1, 2, 3]), "/document/thresholds".to_owned(), "wrong_type"),
        ("/thresholds", json!([]), "/document/thresholds".to_owned(), "wrong_type"),
        ("/thresholds", json!(null), "/document/thresholds".to_owned(), "wrong_type"),
        ("/thresholds", json!(1), "/document/thresholds".to_owned(), "wrong_type"),
        ("/thresholds/review", json!(11), "/document/thresholds/review".to_owned(), "too_large"),
        ("/thresholds/review", json!(0), "/document/thresholds/review".to_owned(), "too_small"),
        ("/format", json!(2), "/document/format".to_owned(), "invalid_format"),
        ("/rules", json!([]), "/document/thresholds/review".to_owned(), "too_large"),
    ] {
        let mut document = flagging_from(1);
        *document.pointer_mut(pointer).expect("a place") = value.clone();
        let problem = put(&operator, "wrong", &request(&document, 0)).await;
        let problem = problem.is_problem(422, "validation_failed");
        let errors = problem["errors"].as_array().expect("errors");
        let found = errors.iter().any(|error| error["pointer"] == at && error["code"] == code);
        assert!(found, "{pointer} {value}: {problem}");
        let tried = operator.api.post(TEST, &json!({ "document": document })).send().await;
        tried.is_problem(422, "validation_failed");
    }
    let mut unreasoned = request(&flagging_from(1), 0);
    unreasoned["reason"] = json!("");
    put(&operator, "wrong", &unreasoned).await.is_problem(422, "validation_failed");

    let player = maker.player(Role::Vip).await;
    put(&player, "mine", &request(&flagging_from(1), 0)).await.is_problem(403, "forbidden");
    let nobody = operator.api.somebody_else();
    nobody.get(RULES).await.is_problem(401, "unauthenticated");
    assert_eq!(operator.api.get(RULES).await.ok()["version"], 0, "nothing was put");
}

#[tokio::test]
async fn rules_are_tried_on_numbers_and_on_what_was_decided_before() {
    let hands = Hands::at("2026-12-01T12:00:00Z");
    let options = hands.options();
    let clock = options.clock.clone();
    let stack = stack_with(options).await;
    let maker = Maker::new(&stack, clock.clone()).await;
    let operator = maker.player(Role::Operator).await;
    let till = Till::new(&stack, "test", clock);
    let player = maker.player(Role::Standard).await;
    for (second, amount) in [(1, 500), (2, 5_000), (3, 50_000)] {
        hands.set(&format!("2026-12-01T12:00:0{second}Z"));
        let purchase = Purchase::of(&player, &amount.to_string());
        till.assess(&Purchase { amount_minor: amount, ..purchase }).await.expect("is decided");
    }
    let body = json!({
        "document": flagging_from(5_000), "recent": 2,
        "features": { "amount_minor": 5_000 },
    });
    let answer = operator.api.post(TEST, &body).send().await.ok();
    let matched = json!([{
        "id": "large", "score": 10,
        "explanation": "A large amount: amount_minor is 5000 (>= 5000)",
    }]);
    let verdict = json!({ "action": "review", "score": 10, "matched_rules": matched });
    assert_eq!((&answer["features"], &answer["changed"]), (&verdict, &json!(2)));
    let recent = answer["recent"].as_array().expect("decisions");
    assert_eq!(recent.len(), 2);
    assert_eq!(recent[0]["at"], "2026-12-01T12:00:03Z", "the newest comes first");
    for one in recent {
        assert_eq!((&one["old_action"], &one["new_action"]), (&json!("allow"), &json!("review")));
    }
    // Without a document, those in force.
    let in_force = operator.api.post(TEST, &json!({ "recent": 100 })).send().await.ok();
    assert_eq!(in_force["changed"], 0);
    assert_eq!(in_force["recent"].as_array().map(Vec::len), Some(3));
    assert!(in_force["features"].is_null());
    let impossible = json!({ "features": { "cards_24h": 51, "amount_minor": u64::MAX } });
    let refused = operator.api.post(TEST, &impossible).send().await;
    let errors = refused.is_problem(422, "validation_failed")["errors"].clone();
    let fields: Vec<_> = errors.as_array().expect("errors").iter().map(|e| &e["pointer"]).collect();
    assert_eq!(fields, ["/features/cards_24h", "/features/amount_minor"]);
    let nameless = operator.api.post(TEST, &json!({ "features": [] })).send().await;
    let errors = nameless.is_problem(422, "validation_failed")["errors"].clone();
    assert_eq!(
        (&errors[0]["pointer"], &errors[0]["code"]),
        (&json!("/features"), &json!("wrong_type"))
    );
    assert_eq!(operator.api.get(RULES).await.ok()["version"], 0, "nothing was put");
    Api::new(&stack.base_url)
        .post(TEST, &json!({}))
        .send()
        .await
        .is_problem(401, "unauthenticated");
}
