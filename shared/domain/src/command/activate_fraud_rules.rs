//! Other fraud rules.

use crate::{Change, Ctx, Fact, Legs, Plan, Player, Rejection, fraud::Rules};

/// Puts the rules in force, on the journal of the operator who asks for it. Their
/// version is the one after the version they replace, so that of two operators who
/// have looked at the same rules one is refused.
///
/// # Errors
/// At commit [`Rejection::FraudRulesMoved`].
pub fn decide(
    operator: &Player,
    rules: &Rules,
    reason: &str,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let fact = Fact::FraudRulesActivated {
        version: rules.version(),
        previous_version: rules.version().saturating_sub(1),
        reason: reason.to_owned(),
    };
    let plan = Plan::new(operator, ctx, fact, Legs::none())?;
    Ok(plan
        .with(Change::KeepFraudRules { rules: rules.clone() })
        .with(Change::ActivateFraudRules { rules: rules.clone() }))
}
