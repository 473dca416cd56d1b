//! Fraud decisions and rules in the journal.

use super::{NOON, ctx, player};
use crate::{
    AttemptId, Change, Fact, Rejection,
    command::{activate_fraud_rules, record_fraud_decision},
    fraud::{Action, Assessment, Features, Rules, assess},
    limits::Pace,
};

fn assessment(features: Features) -> Assessment {
    let decision = assess(Rules::built_in(), &features);
    Assessment {
        attempt: AttemptId::from_bytes([5; 16]),
        player: player(0).id,
        at: ctx(NOON).now,
        currency: "KRW".to_owned(),
        features,
        decision,
        trace_id: "t".to_owned(),
    }
}

#[test]
fn a_decision_is_an_entry_that_moves_nothing_and_a_line_of_the_audit() {
    let before = player(700);
    let features = Features { address_attempts_10m: 50, ..Features::default() };
    let assessment = assessment(features);
    let plan = record_fraud_decision::decide(&before, &assessment, &ctx(NOON)).expect("accepted");
    let fact = Fact::FraudDecided {
        attempt: assessment.attempt,
        score: 70,
        action: Action::SoftBlock,
        matched: vec!["address_burst".to_owned(), "address_flood".to_owned()],
        rules_version: 0,
    };
    assert_eq!(plan.entry().fact, fact);
    assert_eq!((plan.after().gold, plan.after().version), (before.gold, before.version + 1));
    assert!(!fact.is_action(), "it is nothing that makes a day active");
    assert_eq!(plan.changes(), [Change::RecordFraudDecision { assessment }]);
}

#[test]
fn purchases_that_are_refused_as_fraud_come_no_faster_than_others() {
    let assessment = assessment(Features { cards_24h: 5, ..Features::default() });
    let mut state = player(0);
    for _ in 0..Pace::Buy.limit().burst {
        let plan = record_fraud_decision::decide(&state, &assessment, &ctx(NOON));
        state = plan.expect("within the burst").after().clone();
    }
    let refused = record_fraud_decision::decide(&state, &assessment, &ctx(NOON));
    assert!(matches!(refused, Err(Rejection::RateLimited { .. })), "{refused:?}");
}

#[test]
fn rules_are_kept_and_put_in_force_after_those_they_replace() {
    let document = Rules::built_in().document().clone();
    let rules = Rules::new(4, document).expect("sound");
    let operator = player(0);
    let plan = activate_fraud_rules::decide(&operator, &rules, "cards", &ctx(NOON));
    let plan = plan.expect("accepted");
    let fact =
        Fact::FraudRulesActivated { version: 4, previous_version: 3, reason: "cards".to_owned() };
    assert_eq!(plan.entry().fact, fact);
    assert!(fact.is_action());
    let changes =
        [Change::KeepFraudRules { rules: rules.clone() }, Change::ActivateFraudRules { rules }];
    assert_eq!(plan.changes(), changes);
}
