//! `POST /api/auth/password`

use runtime::Clock;
use serde_json::json;
use tests::{Api, Hands, Maker, PASSWORD, Player, Target, fresh_name, stack, stack_with};

const NEW: &str = "another-horse-9";

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_the_old_password() {
    let target = Target::start().await;
    let player = target.player().await;
    let (second, third) = (player.log_in().await, player.log_in().await);

    let answer = player.change_password(PASSWORD, NEW).send().await;
    assert_eq!(answer.ok(), json!({ "closed_sessions": 2 }));

    second.is_signed_out().await;
    third.is_signed_out().await;
    player.me().await;
    player.refresh().send().await.ok();
    player.try_password(PASSWORD).send().await.is_problem(401, "invalid_credentials");
    player.with_tokens(&player.try_password(NEW).send().await.ok()).me().await;
}

#[tokio::test]
async fn a_wrong_password_changes_nothing() {
    let target = Target::start().await;
    let player = target.player().await;
    let second = player.log_in().await;
    let answer = player.change_password("wrong-horse-9", NEW).send().await;
    let problem = answer.is_problem(422, "wrong_password");
    assert_eq!(problem["errors"][0]["pointer"], "/current_password");
    for weak in ["short", "password123", ""] {
        let problem = player.change_password(PASSWORD, weak).send().await;
        let problem = problem.is_problem(422, "weak_password");
        assert_eq!(problem["errors"][0]["pointer"], "/new_password");
    }
    second.me().await;
    player.log_in().await.me().await;
}

#[tokio::test]
async fn five_wrong_passwords_lock_the_change_and_not_the_login() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for _ in 0..5 {
        let answer = player.change_password("wrong-horse-9", NEW).send().await;
        answer.is_problem(422, "wrong_password");
    }
    let locked = player.change_password(PASSWORD, NEW).send().await;
    assert_eq!(locked.is_problem(429, "login_locked")["retry_after_minutes"], 10);
    assert_eq!(locked.header("retry-after"), "600");
    // Whoever has only the token cannot keep the player out.
    let player = player.elsewhere().log_in().await;
    player.change_password(PASSWORD, NEW).send().await.is_problem(429, "login_locked");
    hands.set("2026-12-01T09:10:00Z");
    player.change_password(PASSWORD, NEW).send().await.ok();
}

#[tokio::test]
async fn a_change_sent_again_with_its_key_is_answered_again() {
    let target = Target::start().await;
    let player = target.player().await;
    player.log_in().await;
    let key = fresh_name();
    let first = player.change_password(PASSWORD, NEW).key(&key).send().await;
    let again = player.change_password(PASSWORD, NEW).key(&key).send().await;
    assert_eq!((first.is_replayed(), again.is_replayed()), (false, true));
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));
    assert_eq!(first.ok(), json!({ "closed_sessions": 1 }));

    // Under the same key nobody finds out or sets another one.
    let other = player.change_password(PASSWORD, "third-horse-9").key(&key).send().await;
    let problem = other.is_problem(422, "wrong_password");
    assert_eq!(problem["errors"][0]["pointer"], "/new_password");
    player.try_password(NEW).send().await.ok();
}

#[tokio::test]
async fn who_must_change_the_password_is_free_once_it_has_changed() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let player = maker.with_stale_password().await;
    assert_eq!(player.me().await["must_change_password"], true);
    let session = player.try_password(PASSWORD).send().await.ok();
    assert_eq!(session["must_change_password"], true);
    let player = player.with_tokens(&session);
    player.spin(1, "spin").send().await.is_problem(403, "password_change_required");
    // A refresh gives no way around.
    let player = player.with_tokens(&player.refresh().send().await.ok());
    player.spin(1, "spin").send().await.is_problem(403, "password_change_required");

    player.change_password(PASSWORD, NEW).send().await.ok();
    player.spin(1, "spin").send().await.ok();
    assert_eq!(player.me().await["must_change_password"], false);
    let session = player.try_password(NEW).send().await.ok();
    assert_eq!(session["must_change_password"], false);
}
