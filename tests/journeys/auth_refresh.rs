//! `POST /api/auth/refresh`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn auth_refresh_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::POST, "/api/auth/refresh").send().await;
    assert_eq!(answer.ok()["endpoint"], "auth-refresh");
}
