//! Purchases with money, assessed at once and on bad days.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use devstack::{
    Stack,
    engine::{Call, Fault, Verdict},
};
use domain::{
    Role,
    fraud::{Action, Assessment, Features},
};
use futures::future::join_all;
use reqwest::Method;
use runtime::Clock;
use serde_json::json;
use store::FraudFilter;
use tests::{Maker, Player, Purchase, Till, books, stack};

use crate::support::of_kind;

async fn shop() -> (Stack, Player, Till) {
    let stack = stack().await;
    let player = Maker::new(&stack, Clock::system()).await.player(Role::Standard).await;
    let till = Till::new(&stack, "test", Clock::system());
    (stack, player, till)
}

/// Asks again, as the same request, for as long as the answer is a clear 503.
async fn insist(till: &Till, purchase: &Purchase) -> Assessment {
    for _ in 0..50 {
        match till.assess(purchase).await {
            Ok(assessment) => return assessment,
            Err(problem) => assert_eq!(problem.code().status(), 503, "{problem:?}"),
        }
    }
    panic!("still 503 after 50 times");
}

/// All that was decided on the player's purchases.
async fn decisions(stack: &Stack, player: &Player) -> Vec<Assessment> {
    let filter =
        FraudFilter { player: Some(player.id.parse().expect("an id")), ..FraudFilter::default() };
    let (found, next) =
        stack.store("test").fraud_decisions(filter, None, 1_000).await.expect("read");
    assert_eq!(next, None);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn one_purchase_asked_a_hundred_times_at_once_is_one_attempt_with_one_decision() {
    let (stack, player, till) = shop().await;
    let purchase = Purchase {
        device: Some("phone".to_owned()),
        ..Purchase::of(&player, "buy").at("203.0.113.7")
    };
    let assessments = join_all((0..100).map(|_| insist(&till, &purchase))).await;
    assert!(assessments.iter().all(|assessment| *assessment == assessments[0]));
    assert_eq!(decisions(&stack, &player).await, assessments[..1]);
    let next = Purchase { key: "next".to_owned(), ..purchase };
    let features = insist(&till, &next).await.features;
    assert_eq!((features.address_attempts_10m, features.device_attempts_10m), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_purchases_at_once_none_is_lost_from_the_count() {
    let (stack, player, till) = shop().await;
    let purchase = |number: usize| Purchase {
        card: format!("tok_{}", number % 7),
        ..Purchase::of(&player, &number.to_string()).at("203.0.113.7")
    };
    let purchases: Vec<_> = (0..30).map(purchase).collect();
    let assessed = join_all(purchases.iter().map(|purchase| insist(&till, purchase))).await;
    let last = insist(&till, &purchase(30)).await;
    assert_eq!((last.features.address_attempts_24h, last.features.cards_24h), (31, 7));
    assert_eq!(last.decision.action, Action::SoftBlock);
    // What was decided is in the audit, all of it and as it was told; what flags or
    // stops is in the journal, too.
    let mut stored = decisions(&stack, &player).await;
    let mut told: Vec<_> = assessed.into_iter().chain([last]).collect();
    stored.sort_by_key(|decision| decision.attempt);
    told.sort_by_key(|decision| decision.attempt);
    assert_eq!(stored, told);
    let flagged = told.iter().filter(|one| one.decision.action != Action::Allow).count();
    let journal = books(&stack, &player).await;
    assert_eq!(of_kind(&journal, "fraud_decided"), flagged);
}

/// Every so many calls, what was written takes effect and nobody hears of it.
#[derive(Debug, Default)]
struct Unreliable {
    calls: AtomicU32,
}

impl Fault for Unreliable {
    fn after(&self, call: &Call<'_>, _: u16) -> Verdict {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let writes = ["PutItem", "TransactWriteItems"].contains(&call.operation);
        if writes && number.is_multiple_of(3) { Verdict::InternalError } else { Verdict::Pass }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_whose_assessment_nobody_hears_of_is_counted_and_decided_once() {
    let (stack, player, till) = shop().await;
    stack.engine().set_fault(Some(Arc::new(Unreliable::default())));
    let mut told = Vec::new();
    for number in 0..8 {
        let purchase = Purchase {
            device: Some("phone".to_owned()),
            ..Purchase::of(&player, &number.to_string()).at("203.0.113.7")
        };
        let assessed = insist(&till, &purchase).await;
        assert_eq!(insist(&till, &purchase).await, assessed);
        told.push(assessed);
    }
    stack.engine().set_fault(None);
    for (one, number) in told.iter().zip(1..) {
        let Features { address_attempts_10m, device_attempts_10m, .. } = one.features;
        assert_eq!((address_attempts_10m, device_attempts_10m), (number, number));
    }
    let mut stored = decisions(&stack, &player).await;
    stored.reverse();
    assert_eq!(stored.len(), told.len());
    assert!(told.iter().all(|one| stored.contains(one)));
    let flagged = told.iter().filter(|one| one.decision.action == Action::Review).count();
    assert_eq!(flagged, 4);
    assert_eq!(of_kind(&books(&stack, &player).await, "fraud_decided"), flagged);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_operators_who_saw_the_same_rules_one_puts_others() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let mut operators = Vec::new();
    for _ in 0..8 {
        operators.push(maker.player(Role::Operator).await);
    }
    let body = json!({
        "document": { "format": 1, "thresholds": {}, "rules": [] },
        "expected_version": 0, "reason": "a race",
    });
    let put = |operator: &Player| {
        operator.api.call(Method::PUT, "/api/admin/fraud/rules").key("put").body(body.to_string())
    };
    let put = &put;
    let answers = join_all(operators.iter().map(|operator| async move {
        loop {
            let answer = put(operator).send().await;
            if answer.status != 503 {
                return answer;
            }
        }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status.is_success());
    assert_eq!(won.len(), 1);
    for refused in lost {
        assert_eq!(refused.is_problem(409, "fraud_rules_moved")["version"], 1);
    }
    let rules = operators[0].api.get("/api/admin/fraud/rules").await.ok();
    assert_eq!(rules["version_in_force"], 1);
}
