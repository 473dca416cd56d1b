//! `POST /api/dev/reset/{site_id}`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn dev_reset_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::POST, "/api/dev/reset/{site_id}").send().await;
    assert_eq!(answer.ok()["endpoint"], "dev-reset");
}
