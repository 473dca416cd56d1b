//! `POST /api/auth/logout-all`

use reqwest::Method;
use serde_json::json;
use tests::Target;

#[tokio::test]
async fn after_a_logout_of_all_every_session_is_over() {
    let target = Target::start().await;
    let (player, bystander) = (target.player().await, target.player().await);
    let second = player.log_in().await;
    let third = player.log_in().await;
    let third = third.with_tokens(&third.refresh().send().await.ok());

    let answer = second.api.call(Method::POST, "/api/auth/logout-all").send().await;
    assert_eq!(answer.ok(), json!({ "closed_sessions": 3 }));

    for session in [&player, &second, &third] {
        session.is_signed_out().await;
    }
    bystander.me().await;
    let next = player.log_in().await;
    next.me().await;
    let answer = next.api.call(Method::POST, "/api/auth/logout-all").send().await;
    assert_eq!(answer.ok(), json!({ "closed_sessions": 1 }));
}
