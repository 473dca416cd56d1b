//! What a function's answer means for its batch. Pure: no clock, no I/O.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ports::Record;
use crate::invoke::InvokeError;

/// Which of a batch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    /// Positions in the batch, at least one.
    SomeFailed(BTreeSet<usize>),
    /// The function failed, or its answer cannot be understood.
    AllFailed,
    /// The function did not run. That never counts as an attempt.
    Throttled,
}

/// Reads the answer to a batch whose items are identified by `ids`.
///
/// Nothing, an empty answer and an empty or null list are success. A list that
/// names an unknown item, or none, fails the whole batch.
pub(super) fn outcome(
    answer: &Result<Value, InvokeError>,
    reports_failures: bool,
    ids: &[&str],
) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(InvokeError::Throttled) => return Outcome::Throttled,
        Err(InvokeError::Timeout | InvokeError::Function { .. }) => return Outcome::AllFailed,
    };
    if !reports_failures || answer.is_null() {
        return Outcome::Succeeded;
    }
    let Some(answer) = answer.as_object() else { return Outcome::AllFailed };
    let failures = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return Outcome::Succeeded,
        Some(Value::Array(failures)) => failures,
        Some(_) => return Outcome::AllFailed,
    };
    let mut failed = BTreeSet::new();
    for failure in failures {
        let position = failure["itemIdentifier"]
            .as_str()
            .and_then(|wanted| ids.iter().position(|id| *id == wanted));
        match position {
            Some(position) => failed.insert(position),
            None => return Outcome::AllFailed,
        };
    }
    if failed.is_empty() { Outcome::Succeeded } else { Outcome::SomeFailed(failed) }
}

/// A record on its way through a shard.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its number in the shard since the start.
    pub index: u64,
    pub record: Record,
}

/// Records that are invoked together.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub items: Vec<Item>,
    /// Failed attempts that count towards `MaximumRetryAttempts`.
    pub attempts: u32,
    /// Times that its records were given to the function.
    pub invocations: u32,
}

/// Limits of a mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub bisect: bool,
    pub max_retries: Option<u32>,
}

/// What follows from an invocation.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Records that are done with.
    pub finished: Vec<Item>,
    /// To be reported and then done with: retries are used up.
    pub exhausted: Option<Batch>,
    /// To be tried again, in this order, before anything newer.
    pub again: Vec<Batch>,
    /// Failures in a row, for the pause before the next try; 0 for none.
    pub failures: u32,
}

/// Decides what happens to a stream's batch.
///
/// - A partial failure keeps what precedes the lowest failed record; the rest
///   is a new batch.
/// - With bisect, a batch that failed at its first record is halved. Splitting
///   does not count towards the retry limit, so a poison record ends up alone.
/// - A throttled invocation counts for nothing.
pub(super) fn judge(mut batch: Batch, outcome: &Outcome, limits: Limits) -> Verdict {
    let mut verdict = Verdict::default();
    if *outcome == Outcome::Throttled {
        verdict.failures = batch.attempts + 1;
        verdict.again.push(batch);
        return verdict;
    }
    batch.invocations += 1;
    let failed_from = match outcome {
        Outcome::Succeeded => batch.items.len(),
        Outcome::SomeFailed(failed) => failed.first().copied().unwrap_or(0),
        Outcome::AllFailed | Outcome::Throttled => 0,
    };
    let rest = batch.items.split_off(failed_from);
    let made_progress = failed_from > 0;
    verdict.finished = std::mem::replace(&mut batch.items, rest);
    if batch.items.is_empty() {
        return verdict;
    }
    if limits.bisect && (made_progress || batch.items.len() > 1) {
        let at = if made_progress { batch.items.len() } else { batch.items.len() / 2 };
        if made_progress {
            batch.attempts = 0;
        }
        let tail = batch.items.split_off(at);
        let second = Batch { items: tail, ..batch };
        verdict.again.push(batch);
        if !second.items.is_empty() {
            verdict.again.push(second);
        }
        return verdict;
    }
    batch.attempts = if made_progress { 1 } else { batch.attempts + 1 };
    if limits.max_retries.is_some_and(|most| batch.attempts > most) {
        verdict.exhausted = Some(batch);
    } else {
        verdict.failures = batch.attempts;
        verdict.again.push(batch);
    }
    verdict
}
