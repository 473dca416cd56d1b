//! Rules, windows and decisions, in tables and in general.

mod built_in;

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Ctx;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).expect("an instant")
}

fn player() -> PlayerId {
    PlayerId::mint(&Ctx { now: at(0), seed: [1; 32], trace_id: String::new() })
}

fn attempt(number: u64) -> AttemptId {
    let key = OnceKey::Header(number.to_string());
    AttemptId::of(player(), &Once { key, request_hash: "h".to_owned() })
}

fn document(document: Value) -> Document {
    serde_json::from_value(document).expect("the shape of a document")
}

/// One rule with this condition.
fn with_condition(when: &Value) -> Document {
    document(json!({
        "format": 1, "thresholds": { "review": 1 },
        "rules": [{ "id": "a", "explanation": "A", "when": when, "score": 1 }],
    }))
}

fn faults(document: Document) -> Vec<(String, FaultKind)> {
    let found = Rules::new(1, document).err().unwrap_or_default();
    found.into_iter().map(|Fault { pointer, kind }| (pointer, kind)).collect()
}

#[test]
fn a_decision_says_by_which_numbers_it_came_about() {
    let rules = Rules::new(
        3,
        document(json!({
            "format": 1,
            "thresholds": { "soft_block": 7 },
            "rules": [
                { "id": "a", "explanation": "Cards", "score": 7, "when": { "all": [
                    { "any": [
                        { "feature": "cards_24h", "is": ">", "value": 9 },
                        { "feature": "failed_attempts_24h", "is": "==", "value": 2 },
                    ] },
                    { "feature": "account_age_hours", "is": "<=", "value": 48 },
                ] } },
                { "id": "b", "explanation": "Never mind", "score": 9,
                  "when": { "feature": "amount_minor", "is": "<", "value": 5 } },
            ],
        })),
    );
    let features = Features {
        failed_attempts_24h: 2,
        account_age_hours: 48,
        amount_minor: 5,
        ..Features::default()
    };
    let because = "Cards: failed_attempts_24h is 2 (== 2), account_age_hours is 48 (<= 48)";
    let matched = Matched { rule: "a".to_owned(), score: 7, explanation: because.to_owned() };
    let expected =
        Decision { score: 7, action: Action::SoftBlock, matched: vec![matched], rules_version: 3 };
    assert_eq!(assess(&rules.expect("sound"), &features), expected);
}

#[test]
fn what_is_wrong_with_a_document_has_a_place() {
    use FaultKind::{Duplicate, Malformed, Missing, TooLarge, TooLong, TooShort, TooSmall};
    let sound = json!({
        "format": 1,
        "thresholds": { "review": 5, "soft_block": 8, "hard_block": 10 },
        "rules": [
            { "id": "a", "explanation": "A", "score": 4,
              "when": { "feature": "cards_24h", "is": ">=", "value": 3 } },
            { "id": "b", "explanation": "B", "score": 6,
              "when": { "feature": "cards_24h", "is": ">=", "value": 6 } },
        ],
    });
    assert_eq!(faults(document(sound.clone())), []);
    for (pointer, value, at, kind) in [
        ("/format", json!(2), "/format", Malformed),
        ("/rules/1/id", json!("a"), "/rules/1/id", Duplicate),
        ("/rules/0/id", json!(""), "/rules/0/id", TooShort(1)),
        ("/rules/0/id", json!("a".repeat(41)), "/rules/0/id", TooLong(40)),
        ("/rules/0/id", json!("A b"), "/rules/0/id", Malformed),
        ("/rules/0/explanation", json!(""), "/rules/0/explanation", TooShort(1)),
        ("/rules/0/explanation", json!("설".repeat(201)), "/rules/0/explanation", TooLong(200)),
        ("/rules/1/score", json!(0), "/rules/1/score", TooSmall(1)),
        ("/rules/1/score", json!(1001), "/rules/1/score", TooLarge(1000)),
        ("/thresholds/review", json!(0), "/thresholds/review", TooSmall(1)),
        ("/thresholds/soft_block", json!(5), "/thresholds/soft_block", TooSmall(6)),
        ("/thresholds/hard_block", json!(8), "/thresholds/hard_block", TooSmall(9)),
        ("/thresholds/hard_block", json!(11), "/thresholds/hard_block", TooLarge(10)),
    ] {
        let mut changed = sound.clone();
        *changed.pointer_mut(pointer).expect("a place") = value;
        assert!(faults(document(changed)).contains(&(at.to_owned(), kind)), "{pointer}");
    }

    let is = |is: &str, value: u64| json!({ "feature": "cards_24h", "is": is, "value": value });
    let many = |count: usize| vec![is(">=", 1); count];
    for (when, at, kind) in [
        (json!({}), "/feature", Missing),
        (json!({ "feature": "cards_24h", "is": ">=" }), "/value", Missing),
        (json!({ "feature": "cards_24h", "value": 1 }), "/is", Missing),
        (json!({ "all": many(1), "any": many(1) }), "", Malformed),
        (json!({ "all": many(1), "value": 1 }), "", Malformed),
        (json!({ "all": [] }), "/all", TooShort(1)),
        (json!({ "any": many(9) }), "/any/8", TooLong(8)),
        (
            json!({ "all": [{ "any": [{ "all": [{ "any": many(1) }] }] }] }),
            "/all/0/any/0/all/0/any",
            TooLong(3),
        ),
        (is(">=", 51), "/value", TooLarge(50)),
        (is(">", 50), "/value", TooLarge(49)),
        (is(">=", 0), "/value", TooSmall(1)),
        (is("<", 0), "/value", TooSmall(1)),
        (is("<", 51), "/value", TooLarge(50)),
        (is("<=", 50), "/value", TooLarge(49)),
        (is("==", 51), "/value", TooLarge(50)),
    ] {
        let expected = (format!("/rules/0/when{at}"), kind);
        assert!(faults(with_condition(&when)).contains(&expected), "{when}");
    }
    for when in [is(">=", 50), is("<", 50), is("<=", 0), is("==", 0), json!({ "any": many(8) })] {
        assert_eq!(faults(with_condition(&when)), [], "{when}");
    }

    let rule = |id: String| json!({ "id": id, "explanation": "설".repeat(200), "when": is(">=", 1), "score": 1 });
    let of = |count: usize| {
        let rules: Vec<_> = (0..count).map(|id| rule(id.to_string())).collect();
        document(json!({ "format": 1, "thresholds": {}, "rules": rules }))
    };
    assert_eq!(
        faults(of(33)),
        [("/rules".to_owned(), TooLong(32)), (String::new(), TooLong(16_384))]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert_eq!(faults(of(32)), [(String::new(), TooLong(16_384))]);
    assert_eq!(faults(of(20)), []);
}

#[test]
fn rules_without_rules_let_everything_through() {
    let none = document(json!({ "format": 1, "thresholds": {}, "rules": [] }));
    let rules = Rules::new(9, none).expect("sound");
    let extreme = Feature::ALL
        .iter()
        .fold(Features::default(), |f, feature| f.with(*feature, feature.most()));
    assert_eq!(assess(&rules, &extreme).action, Action::Allow);
}

#[test]
fn features_are_within_what_they_can_be() {
    let most = Feature::ALL
        .iter()
        .fold(Features::default(), |f, feature| f.with(*feature, feature.most()));
    assert_eq!(most.possible(), Ok(()));
    for feature in Feature::ALL {
        let beyond = Features::default().with(*feature, feature.most() + 1);
        assert_eq!(
            beyond.possible(),
            Err(vec![Fault {
                pointer: format!("/{}", feature.as_str()),
                kind: FaultKind::TooLarge(feature.most())
            }])
        );
    }
}

#[test]
fn an_unknown_feature_or_member_is_no_document() {
    for broken in [
        json!({ "feature": "shoe_size", "is": ">=", "value": 1 }),
        json!({ "feature": "cards_24h", "is": "=>", "value": 1 }),
        json!({ "feature": "cards_24h", "is": ">=", "value": -1 }),
        json!({ "feature": "cards_24h", "is": ">=", "value": 1.5 }),
        json!({ "none": [] }),
    ] {
        assert!(serde_json::from_value::<Condition>(broken.clone()).is_err(), "{broken}");
    }
}

#[test]
fn an_attempt_is_a_request_of_a_player() {
    let once = |key: &str, hash: &str| Once {
        key: OnceKey::Header(key.to_owned()),
        request_hash: hash.to_owned(),
    };
    let first = AttemptId::of(player(), &once("k", "h"));
    assert_eq!(AttemptId::of(player(), &once("k", "h")), first);
    let natural = Once { key: OnceKey::Natural("k".to_owned()), request_hash: "h".to_owned() };
    for other in [
        AttemptId::of(player(), &once("k", "i")),
        AttemptId::of(player(), &once("kh", "")),
        AttemptId::of(PlayerId::from_bytes([2; 16]), &once("k", "h")),
        AttemptId::of(player(), &natural),
        first.next(),
        first.next().next(),
    ] {
        assert_ne!(other, first);
    }
}

#[test]
fn an_attempt_is_counted_once_and_for_as_long_as_its_window() {
    let mut seen = Sightings::default();
    for (number, second) in [(1, 0), (2, 599), (2, 599), (3, 600), (1, 700)] {
        seen = seen.count(attempt(number), at(second));
    }
    assert_eq!((seen.within(SHORT, at(599)), seen.within(LONG, at(599))), (3, 3));
    assert_eq!((seen.within(SHORT, at(600)), seen.within(LONG, at(600))), (2, 3));
    assert_eq!(seen.within(LONG, at(86_399)), 3);
    assert_eq!(seen.within(LONG, at(86_400)), 2);
    assert_eq!(seen.forgotten_at(), at(600 + 86_400).as_second());
    let next_day = seen.count(attempt(4), at(86_400 + 600));
    assert_eq!(
        (next_day.within(LONG, at(87_000)), next_day),
        (1, Sightings::default().count(attempt(4), at(87_000)))
    );
}

#[test]
fn a_window_never_outgrows_its_bound() {
    let seen = (0..80).fold(Sightings::default(), |seen, number| {
        seen.count(attempt(number), at(i64::try_from(number).expect("small")))
    });
    assert_eq!((seen.within(LONG, at(80)), seen.by.len()), (50, 50));
    // The newest ones are those that are left.
    assert_eq!(seen.within(SignedDuration::from_secs(50), at(79)), 50);
    let paid = (0..80).fold(Payments::default(), |paid, number| {
        let payment = Payment::new(attempt(number), 7, (number, "KRW"), at(0));
        paid.count(&payment, at(0))
    });
    assert_eq!((paid.recent.len(), paid.cards(at(0))), (50, 1));
}

#[test]
fn cards_amounts_and_failures_are_those_of_a_day() {
    let pay = |number, card, amount, currency, second| {
        Payment::new(attempt(number), card, (amount, currency), at(second))
    };
    let mut paid = Payments::default();
    for payment in [
        pay(1, 1, 100, "KRW", 0),
        pay(2, 2, 900, "KRW", 1),
        pay(3, 2, 5, "USD", 2),
        pay(3, 9, 1, "KRW", 2),
    ] {
        paid = paid.count(&payment, at(2));
    }
    paid = paid.fail(attempt(1)).fail(attempt(1)).fail(attempt(2)).fail(attempt(8));
    let of = |paid: &Payments, second| {
        (paid.cards(at(second)), paid.spread("KRW", at(second)), paid.failed(at(second)))
    };
    assert_eq!(of(&paid, 2), (2, 800, 2));
    assert_eq!(of(&paid, 86_400), (1, 0, 1));
    assert_eq!((paid.spread("USD", at(2)), paid.spread("EUR", at(2))), (0, 0));
    let stored: Payments = serde_json::from_value(json!(paid)).expect("reads back");
    assert_eq!(stored, paid);
}

#[test]
fn an_account_is_as_old_as_its_id() {
    let of = |player, seconds| {
        let payments = Payments::default();
        Features::of(None, None, &payments, player, (1, "KRW"), at(seconds)).account_age_hours
    };
    assert_eq!((of(player(), 3_599), of(player(), 3_600), of(player(), -5)), (0, 1, 0));
    assert_eq!(of(PlayerId::from_bytes([1; 16]), 1_000_000), 0, "an id that says nothing is new");
}

/// Conditions of any form, sound or not.
fn conditions() -> impl Strategy<Value = Condition> {
    let feature = prop::sample::select(Feature::ALL);
    let is = prop::sample::select(
        &[
            Comparison::AtLeast,
            Comparison::Above,
            Comparison::AtMost,
            Comparison::Below,
            Comparison::Equal,
        ][..],
    );
    let leaf = (feature, is, 0..70_u64).prop_map(|(feature, is, value)| Condition {
        feature: Some(feature),
        is: Some(is),
        value: Some(value),
        ..Condition::default()
    });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (prop::collection::vec(inner, 0..3), any::<bool>()).prop_map(|(group, all)| {
            let (yes, no) = (Some(group), None);
            let (all, any) = if all { (yes, no) } else { (no, yes) };
            Condition { all, any, ..Condition::default() }
        })
    })
}

fn documents() -> impl Strategy<Value = Document> {
    let rule = (conditions(), 1..=HIGHEST);
    let thresholds = prop::array::uniform3(prop::option::of(1..3 * HIGHEST));
    (prop::collection::vec(rule, 0..6), thresholds).prop_map(|(rules, thresholds)| {
        let [review, soft_block, hard_block] = thresholds;
        let rules = rules.into_iter().enumerate().map(|(id, (when, score))| Rule {
            id: format!("r{id}"),
            explanation: "why".to_owned(),
            when,
            score,
        });
        let thresholds = Thresholds { review, soft_block, hard_block };
        Document { format: 1, thresholds, rules: rules.collect() }
    })
}

const HIGHEST: u32 = 1_000;

/// Sound rules whose conditions only ask for more of something.
fn growing_rules() -> impl Strategy<Value = Rules> {
    let leaf = (prop::sample::select(Feature::ALL), 1..=50_u64);
    let when = prop::collection::vec(leaf, 1..4).prop_map(|leaves| {
        let is = |(feature, value)| Condition {
            feature: Some(feature),
            is: Some(Comparison::AtLeast),
            value: Some(value),
            ..Condition::default()
        };
        Condition { all: Some(leaves.into_iter().map(is).collect()), ..Condition::default() }
    });
    prop::collection::vec((when, 1..=HIGHEST), 3..6).prop_map(|rules| {
        let rules: Vec<_> = rules
            .into_iter()
            .enumerate()
            .map(|(id, (when, score))| Rule {
                id: format!("r{id}"),
                explanation: "why".to_owned(),
                when,
                score,
            })
            .collect();
        let all: u32 = rules.iter().map(|rule| rule.score).sum();
        let thresholds =
            Thresholds { review: Some(1), soft_block: Some(all - 1), hard_block: Some(all) };
        Rules::new(1, Document { format: 1, thresholds, rules }).expect("sound")
    })
}

fn any_features() -> impl Strategy<Value = Features> {
    let value = prop_oneof![0..70_u64, any::<u64>()];
    prop::collection::vec(value, Feature::ALL.len()).prop_map(|values| {
        let pairs = Feature::ALL.iter().zip(values);
        pairs.fold(Features::default(), |features, (feature, value)| features.with(*feature, value))
    })
}

proptest! {
    #[test]
    fn every_document_is_refused_with_places_in_it_or_decides_everything(
        document in documents(), features in any_features(),
    ) {
        let written = serde_json::to_value(&document).expect("it serializes");
        match Rules::new(1, document) {
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for Fault { pointer, kind } in faults {
                    let container = pointer.rsplit_once('/').map_or("", |(before, _)| before);
                    let place = if kind == FaultKind::Missing { container } else { &pointer };
                    prop_assert!(written.pointer(place).is_some(), "{pointer} in {written}");
                }
            }
            Ok(rules) => {
                let decision = assess(&rules, &features);
                let scores: u32 = decision.matched.iter().map(|matched| matched.score).sum();
                prop_assert_eq!(decision.score, scores);
                let Thresholds { review, soft_block, hard_block } = rules.document().thresholds;
                let reached =
                    |threshold: Option<u32>| threshold.is_some_and(|least| scores >= least);
                let action = match (reached(review), reached(soft_block), reached(hard_block)) {
                    (_, _, true) => Action::HardBlock,
                    (_, true, false) => Action::SoftBlock,
                    (true, false, false) => Action::Review,
                    (false, false, false) => Action::Allow,
                };
                prop_assert_eq!(decision.action, action);
            }
        }
    }

    #[test]
    fn more_of_anything_never_lets_more_through(
        rules in growing_rules(), features in any_features(),
        place in 0..Feature::ALL.len(), more in any::<u64>(),
    ) {
        let feature = Feature::ALL[place];
        let larger = features.with(feature, features.get(feature).saturating_add(more));
        let (less, more) = (assess(&rules, &features), assess(&rules, &larger));
        prop_assert!(less.score <= more.score && less.action <= more.action);
    }

    #[test]
    fn a_window_counts_what_came_in_it_once(
        attempts in prop::collection::vec((0..50_u64, 0..90_000_i64), 0..90),
    ) {
        // As they come: a repeated attempt counts from when it came first.
        let mut ordered = attempts;
        ordered.sort_by_key(|(_, second)| *second);
        let mut seen = Sightings::default();
        let mut first: std::collections::BTreeMap<u64, i64> = std::collections::BTreeMap::new();
        for (number, second) in ordered {
            let known = *first.entry(number).or_insert(second);
            // It is another one if the first is forgotten.
            if known <= second - LONG.as_secs() {
                continue;
            }
            seen = seen.count(attempt(number), at(second));
            for span in [SHORT, LONG] {
                let oldest = second - span.as_secs();
                let expected = first.values().filter(|at| **at > oldest).count().min(50);
                prop_assert_eq!(seen.within(span, at(second)), expected as u64);
            }
        }
    }
}
