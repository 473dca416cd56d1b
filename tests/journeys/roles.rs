//! Who may call what: every operation that is documented, by every kind of caller.

use domain::Role;
use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use runtime::Clock;
use tests::{Answer, Api, Maker, stack};

use crate::operations::{Operation, guarded, operations};

const ROLES: [Role; 5] = [Role::Standard, Role::Premium, Role::Vip, Role::Operator, Role::Admin];
/// Calls under way at once.
const CALLERS: usize = 4;

fn role(name: &str) -> Role {
    serde_json::from_value(name.into()).expect("a role")
}

#[track_caller]
fn is_unauthenticated(answer: &Answer) {
    answer.is_problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

/// What is stated of one operation and one role.
async fn is_as_stated(maker: &Maker, operation: &Operation, caller: Role) {
    let required = role(operation.role.as_deref().expect("a guarded operation"));
    let admitted = caller >= required;
    let what = format!("{} by {caller:?}", operation.name());
    println!("{what}");
    let player = maker.player(caller).await;
    let ask = async |api: &Api| operation.call(api, &player).send().await;

    // Who is nobody is told so, whatever they ask for.
    let nobody = player.api.somebody_else();
    is_unauthenticated(&ask(&nobody).await);
    is_unauthenticated(&ask(&nobody.with_token("garbage")).await);
    let now = Clock::system().now();
    let old = now - SignedDuration::from_mins(16);
    is_unauthenticated(&ask(&nobody.with_token(&maker.token(&player, caller, old).await)).await);

    // Who had another role when the token was made is not known by it any more.
    let former = if caller == Role::Admin { Role::Operator } else { Role::Admin };
    let answer = ask(&nobody.with_token(&maker.token(&player, former, now).await)).await;
    if former >= required {
        is_unauthenticated(&answer);
    } else {
        answer.is_problem(403, "forbidden");
    }

    let answer = ask(&player.api).await;
    if admitted {
        assert!(![401, 403].contains(&answer.status.as_u16()), "{what}: {}", answer.text);
        assert!(answer.status.as_u16() < 500, "{what}: {}", answer.text);
    } else {
        answer.is_problem(403, "forbidden");
    }

    // Too low a role is too low, signed in or not; otherwise a session's end is one.
    let gone = maker.player(caller).await;
    maker.sign_out(&gone).await;
    let answer = operation.call(&gone.api, &gone).send().await;
    if admitted {
        is_unauthenticated(&answer);
    } else {
        answer.is_problem(403, "forbidden");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_what_it_must_to_every_role_and_token() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operations = guarded(&Api::new(&stack.base_url)).await;
    let cases = operations.iter().flat_map(|operation| ROLES.map(|role| (operation, role)));
    let maker = &maker;
    stream::iter(cases)
        .for_each_concurrent(CALLERS, |(operation, role)| is_as_stated(maker, operation, role))
        .await;
}

#[tokio::test]
async fn what_is_for_everybody_never_asks_who_that_is() {
    // Every answer is read to its end.
    let target = tests::Target::or(tests::without_domain()).await;
    let mut public = operations(&target.api()).await;
    public.retain(|operation| operation.role.is_none());
    assert!(public.len() >= 8, "{}", public.len());
    for operation in public {
        let answer = operation.empty_call(&target.api()).send().await;
        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        assert!(!["unauthenticated", "forbidden"].contains(&code.as_str()), "{}", answer.text);
        assert!(answer.status.as_u16() < 500, "{}: {}", operation.name(), answer.text);
    }
}

/// What leads to another password, or out.
fn is_open_before_a_password_change(operation: &Operation) -> bool {
    [
        "GET /api/auth/me",
        "GET /api/auth/profile",
        "GET /api/users/me",
        "GET /api/users/profile",
        "POST /api/auth/password",
        "POST /api/auth/logout",
        "POST /api/auth/logout-all",
        "DELETE /api/auth/me",
    ]
    .contains(&operation.name().as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_change_the_password_can_do_that_and_leave_and_nothing_else() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let mut operations = guarded(&Api::new(&stack.base_url)).await;
    operations.retain(|operation| role(operation.role.as_deref().expect("one")) == Role::Standard);
    for operation in &operations {
        println!("{}", operation.name());
        let player = maker.with_stale_password().await;
        let answer = operation.call(&player.api, &player).send().await;
        if is_open_before_a_password_change(operation) {
            answer.ok();
        } else {
            answer.is_problem(403, "password_change_required");
        }
    }
}
