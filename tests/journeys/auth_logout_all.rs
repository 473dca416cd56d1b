//! `POST /api/auth/logout-all`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn auth_logout_all_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::POST, "/api/auth/logout-all").send().await;
    assert_eq!(answer.ok()["endpoint"], "auth-logout-all");
}
