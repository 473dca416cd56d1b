//! `PUT /api/auth/profile`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn account_rename_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::PUT, "/api/auth/profile").send().await;
    assert_eq!(answer.ok()["endpoint"], "account-rename");
}
