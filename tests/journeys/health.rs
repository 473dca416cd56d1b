//! Health, and what callers are told when the table is down.

use std::sync::Arc;

use devstack::engine::{Call, Fault, Service, Verdict};
use tests::{Api, Player, Target, stack};

/// The table answers nobody.
#[derive(Debug)]
struct TableDown;

impl Fault for TableDown {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.service == Service::DynamoDb { Verdict::InternalError } else { Verdict::Pass }
    }
}

#[tokio::test]
async fn a_healthy_product_says_so_at_both_addresses() {
    let target = Target::start().await;
    for path in ["/health", "/api/auth/health"] {
        let answer = target.api().get(path).await;
        let health = answer.ok();
        assert_eq!(
            (&health["status"], &health["dependencies"]["table"]),
            (&"ok".into(), &"ok".into())
        );
        for member in ["build_id", "git_sha", "stage"] {
            assert!(health[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
        }
    }
}

#[tokio::test]
async fn while_the_table_is_down_health_is_503_and_so_is_all_that_needs_it() {
    let stack = stack().await;
    let api = Api::new(&stack.base_url);
    let player = Player::sign_up(&api).await;
    stack.engine().set_fault(Some(Arc::new(TableDown)));
    let answer = api.get("/health").await;
    let health = answer.json();
    assert_eq!(answer.status, 503);
    assert_eq!(
        (&health["status"], &health["dependencies"]["table"]),
        (&"down".into(), &"down".into())
    );

    for answer in [
        player.api.get("/api/auth/me").await,
        player.api.get("/api/users/stats").await,
        player.spin(10, "key").send().await,
        player.claim().await,
    ] {
        answer.is_problem(503, "service_unavailable");
        assert_eq!(answer.header("retry-after"), "2");
    }
    assert_eq!(api.get("/api/shop/catalog").await.status, 200, "what needs no table works");

    stack.engine().set_fault(None);
    assert_eq!(api.get("/health").await.status, 200);
    let round = player.spin(10, "key").send().await;
    assert!(!round.is_replayed(), "the failed attempt had no effect");
    round.ok();
}

#[tokio::test]
async fn the_document_that_is_served_is_the_committed_one() {
    let target = Target::start().await;
    let answer = target.api().get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let document = answer.ok();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/games/slot/spin"]["post"].is_object());
}
