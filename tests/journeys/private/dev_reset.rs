//! Seed accounts, and `POST /api/dev/reset/{site_id}`.

use devstack::{Options, Stack, parameters::Parameters, seed::Seeding};
use reqwest::Method;
use runtime::{Clock, Entropy};
use serde_json::json;
use tests::{Answer, Api, Player, books, login, stack, stack_with};

const NEW: &str = "another-horse-9";

/// The seed accounts as a stage has them, created where they are not there.
async fn sow(stack: &Stack, stage: &str) -> Seeding {
    let seeding = Seeding::asked_for(Some("1"), stage).expect("it may be seeded");
    let (store, clock, entropy) = (stack.store("seed"), Clock::system(), Entropy::system());
    seeding.sow(&store, &clock, &entropy).await.expect("the table answers");
    seeding
}

/// A seed account, signed in by its first password.
async fn account(stack: &Stack, seeding: &Seeding, site_id: &str) -> Player {
    let account = seeding.accounts.iter().find(|account| account.site_id == site_id);
    let password = &account.expect("a seed account").password;
    let api = Api::new(&stack.base_url);
    let answer = login(&api, site_id, password).send().await.ok();
    let text = |name: &str| answer["user"][name].as_str().unwrap_or_default().to_owned();
    let (id, nickname) = (text("id"), text("nickname"));
    let nobody =
        Player { api, id, site_id: site_id.to_owned(), nickname, refresh_token: String::new() };
    nobody.with_tokens(&answer)
}

async fn reset(caller: &Player, site_id: &str, key: &str) -> Answer {
    let call = caller.api.call(Method::POST, &format!("/api/dev/reset/{site_id}"));
    call.key(key).send().await
}

#[tokio::test]
async fn a_seed_account_begins_anew() {
    let stack = stack().await;
    let seeding = sow(&stack, "dev").await;
    let admin = account(&stack, &seeding, "admin").await;
    let user = account(&stack, &seeding, "user001").await;
    let first_password = &seeding.accounts[1].password;
    user.claim().await.ok();
    user.spin(10, "spin").send().await.ok();
    user.change_password(first_password, NEW).send().await.ok();

    let answer = reset(&admin, "user001", "reset").await;
    assert_eq!(answer.ok(), json!({ "id": user.id, "gold_balance": 1000 }));
    user.is_signed_out().await;
    login(&user.api.somebody_else(), "user001", NEW)
        .send()
        .await
        .is_problem(401, "invalid_credentials");

    let again = account(&stack, &seeding, "user001").await;
    assert_eq!(again.id, user.id);
    assert!(again.nickname.starts_with("player-"), "{}", again.nickname);
    let me = again.me().await;
    for (member, value) in [("gold_balance", 1000), ("experience", 0), ("streak", 0)] {
        assert_eq!(me[member], value, "{member}");
    }
    books(&stack, &again).await;

    let repeated = reset(&admin, "user001", "reset").await;
    assert_eq!((repeated.is_replayed(), &repeated.text), (true, &answer.text));
    assert_eq!(again.me().await, me, "the session is still there");
    assert!(!reset(&admin, "user001", "another").await.is_replayed());
    again.is_signed_out().await;
}

#[tokio::test]
async fn nobody_but_a_seed_account_is_reset_and_by_nobody_but_an_admin() {
    let stack = stack().await;
    let seeding = sow(&stack, "dev").await;
    let admin = account(&stack, &seeding, "admin").await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let user = account(&stack, &seeding, "user004").await;
    for name in [&player.site_id, &player.nickname, &user.nickname, "nobody", "USER004"] {
        reset(&admin, name, "reset").await.is_problem(404, "player_not_found");
    }
    for caller in [&player, &user] {
        reset(caller, "user004", "reset").await.is_problem(403, "forbidden");
    }
    let nobody = Api::new(&stack.base_url);
    let answer = nobody.call(Method::POST, "/api/dev/reset/user004").send().await;
    answer.is_problem(401, "unauthenticated");

    // One who was forgotten stays so, and nobody is seeded in their place.
    user.api.call(Method::DELETE, "/api/auth/me").send().await.ok();
    reset(&admin, "user004", "reset").await.is_problem(404, "player_not_found");
    sow(&stack, "dev").await;
    reset(&admin, "user004", "reset").await.is_problem(404, "player_not_found");
}

#[tokio::test]
async fn seeding_again_leaves_what_is_there_alone() {
    let stack = stack().await;
    let seeding = sow(&stack, "dev").await;
    let user = account(&stack, &seeding, "user002").await;
    user.change_password(&seeding.accounts[2].password, NEW).send().await.ok();
    let entries = books(&stack, &user).await.len();
    sow(&stack, "dev").await;
    assert_eq!(books(&stack, &user).await.len(), entries);
    login(&user.api, "user002", NEW).send().await.ok();
}

#[tokio::test]
async fn outside_of_development_seed_accounts_must_change_their_password_and_none_is_reset() {
    let parameters = Parameters::from([("Stage".to_owned(), "staging".to_owned())]);
    let stack = stack_with(Options { parameters, ..Options::default() }).await;
    let seeding = sow(&stack, "staging").await;
    let admin = account(&stack, &seeding, "admin").await;
    let refused = admin.api.get("/api/users/balance").await;
    refused.is_problem(403, "password_change_required");
    admin.change_password(&seeding.accounts[0].password, NEW).send().await.ok();
    admin.api.get("/api/users/balance").await.ok();
    reset(&admin, "user001", "reset").await.is_problem(404, "not_found");
}
