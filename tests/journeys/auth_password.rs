//! `POST /api/auth/password`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn auth_password_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::POST, "/api/auth/password").send().await;
    assert_eq!(answer.ok()["endpoint"], "auth-password");
}
