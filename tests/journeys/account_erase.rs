//! `DELETE /api/auth/me`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn account_erase_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::DELETE, "/api/auth/me").send().await;
    assert_eq!(answer.ok()["endpoint"], "account-erase");
}
