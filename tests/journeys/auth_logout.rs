//! `POST /api/auth/logout`

use devstack::{Options, Stack};
use serde_json::json;
use tests::{Api, Player, Socket, Target};

use crate::operations::guarded;

#[tokio::test]
async fn after_a_logout_neither_token_is_good_for_anything() {
    let target = Target::start().await;
    let player = target.player().await;
    let other = player.log_in().await;
    let (url, ticket) = player.ticket().await;

    assert_eq!(player.log_out().send().await.ok(), json!({ "closed_sessions": 1 }));

    let mut count = 0;
    for operation in guarded(&target.api()).await {
        let answer = operation.call(&player.api, &player).send().await;
        // Whoever's role was too low hears that first.
        if operation.role.as_deref() == Some("standard") {
            answer.is_problem(401, "unauthenticated");
            count += 1;
        } else {
            answer.is_problem(403, "forbidden");
        }
    }
    assert!(count >= 18, "{count}");
    player.refresh().send().await.is_problem(401, "refresh_expired");
    assert_eq!(Socket::refused(&format!("{url}?ticket={ticket}")).await, Some(401));
    let token = player.api.token().expect("a token");
    assert_eq!(Socket::refused_with_token(&url, token).await, Some(401));

    // Another session is another matter.
    other.me().await;
    other.spin(1, "spin").send().await.ok();
    other.socket().await.until("initial_state").await;
    other.refresh().send().await.ok();
    player.log_in().await.me().await;
}

#[tokio::test]
async fn a_logout_takes_refreshed_tokens_with_it() {
    let target = Target::start().await;
    let player = target.player().await;
    let next = player.with_tokens(&player.refresh().send().await.ok());
    player.log_out().send().await.ok();
    next.is_signed_out().await;
    next.log_out().send().await.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_logout_outlives_the_machines_that_heard_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = async || {
        let options = Options { data: Some(directory.path().to_owned()), ..Options::default() };
        Stack::start(options).await.expect("the stack starts")
    };
    let stack = start().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let other = player.log_in().await;
    player.log_out().send().await.ok();
    stack.shutdown().await.expect("stops");

    let stack = start().await;
    let at = |player: &Player| Player { api: player.api.at(&stack.base_url), ..player.clone() };
    at(&player).is_signed_out().await;
    at(&other).me().await;
    at(&other).refresh().send().await.ok();
}
