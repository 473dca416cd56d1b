//! What races are made of: many calls at once.

use std::collections::BTreeSet;

use domain::Entry;
use futures::future::join_all;
use serde_json::Value;
use tests::{
    Answer, Call,
    script::{Command, Kind},
};

/// Sends `count` calls at once.
pub async fn at_once(count: usize, call: impl Fn(usize) -> Call) -> Vec<Answer> {
    join_all((0..count).map(|number| call(number).send())).await
}

/// How many entries are of a kind.
pub fn of_kind(journal: &[Entry], kind: &str) -> usize {
    journal.iter().filter(|entry| entry.fact.kind() == kind).count()
}

/// Sends a call again, with its key, for as long as the answer is a clear 503;
/// panics at any other failure.
pub async fn insist(call: impl Fn() -> Call) -> Answer {
    let answer = until_answered(call).await;
    assert!(answer.status.is_success(), "{} {}", answer.status, answer.text);
    answer
}

/// The same, of a call that may be refused.
pub async fn until_answered(call: impl Fn() -> Call) -> Answer {
    for _ in 0..20 {
        let answer = call().send().await;
        if answer.status != 503 {
            return answer;
        }
        is_clear_503(&answer);
    }
    panic!("still 503 after 20 times");
}

/// A 503 that says what it is and when to come back.
#[track_caller]
pub fn is_clear_503(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    assert!(["conflict_retry", "service_unavailable"].contains(&code.as_str()), "{}", answer.text);
    answer.is_problem(503, &code);
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{:?}", answer.headers);
}

/// How many different bodies there are.
pub fn different(answers: &[Answer]) -> usize {
    answers.iter().map(|answer| answer.text.as_str()).collect::<BTreeSet<_>>().len()
}

/// How many different values the answers hold at `pointer`.
pub fn different_at(answers: &[Answer], pointer: &str) -> usize {
    let value = |answer: &Answer| answer.json().pointer(pointer).map(Value::to_string);
    answers.iter().map(|answer| value(answer).expect(pointer)).collect::<BTreeSet<_>>().len()
}

/// What an answer says it did to the balance.
pub fn change(command: &Command, answer: &Answer) -> i64 {
    let body = answer.json();
    let number = |pointer: &str| {
        body.pointer(pointer).and_then(Value::as_i64).unwrap_or_else(|| panic!("{body}"))
    };
    match &command.kind {
        Kind::Spin { .. } => number("/win_gold") - number("/bet_gold"),
        Kind::Claim => number("/awarded/gold"),
        Kind::Buy { .. } => -number("/price_gold"),
        Kind::Rotate | Kind::LogIn => 0,
    }
}
