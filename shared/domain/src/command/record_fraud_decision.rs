//! A purchase that was flagged or refused.

use crate::{AttemptId, Change, Ctx, Fact, Legs, Plan, Player, Rejection, fraud::Assessment};

/// An attempt is decided once, however often its request is sent.
#[must_use]
pub fn natural_key(attempt: AttemptId) -> String {
    format!("fraud:{attempt}")
}

/// Records the decision on the player's journal, with its line of the audit.
///
/// For decisions that say something about the player. One that lets a purchase
/// through has its line of the audit and no entry: the purchase itself is the next
/// entry, and another one before it would double what an honest purchase writes and
/// get in the way of what the player does at the same moment.
///
/// # Errors
/// At commit [`Rejection::FraudAlreadyDecided`].
pub fn decide(player: &Player, assessment: &Assessment, ctx: &Ctx) -> Result<Plan, Rejection> {
    let decision = &assessment.decision;
    let fact = Fact::FraudDecided {
        attempt: assessment.attempt,
        score: decision.score,
        action: decision.action,
        matched: decision.matched.iter().map(|matched| matched.rule.clone()).collect(),
        rules_version: decision.rules_version,
    };
    let plan = Plan::new(player, ctx, fact, Legs::none())?;
    Ok(plan.with(Change::RecordFraudDecision { assessment: assessment.clone() }))
}
