//! `POST /api/admin/invite-codes`

use reqwest::Method;
use tests::Target;

#[tokio::test]
async fn invite_issue_answers() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::POST, "/api/admin/invite-codes").send().await;
    assert_eq!(answer.ok()["endpoint"], "invite-issue");
}
