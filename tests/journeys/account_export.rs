//! `GET /api/auth/export`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn account_export_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::GET, "/api/auth/export").send().await;
    assert_eq!(answer.ok()["endpoint"], "account-export");
}
