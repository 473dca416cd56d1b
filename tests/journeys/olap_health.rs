//! `GET /api/olap/health` where nothing is loaded; `tests/analytics` has the rest.

use domain::Role;
use runtime::Clock;
use serde_json::json;
use tests::{Maker, Target};

const HEALTH: &str = "/api/olap/health";

#[tokio::test]
async fn says_that_nothing_is_loaded_to_operators_only() {
    let target = Target::start().await;
    target.api().get(HEALTH).await.is_problem(401, "unauthenticated");
    target.player().await.api.get(HEALTH).await.is_problem(403, "forbidden");
    let Some(stack) = target.private("an operator") else { return };
    let operator = Maker::new(stack, Clock::system()).await.player(Role::Operator).await;
    assert_eq!(operator.api.get(HEALTH).await.ok(), json!({ "status": "off" }));
}
