//! The commands: each a pure function from state, command and context to a
//! [`crate::Plan`] or a named [`crate::Rejection`].

pub mod activate_fraud_rules;
pub mod administer_webhooks;
pub mod advance_purchase;
pub mod buy_item;
pub mod buy_limited;
pub mod buy_pack;
pub mod change_email;
pub mod change_password;
pub mod claim_streak;
pub mod close_sessions;
pub mod erase;
pub mod issue_invite;
pub mod log_in;
pub mod offer_limited;
pub mod record_fraud_decision;
pub mod refresh_session;
pub mod rename;
pub mod repair_streak;
pub mod replay_dead_letter;
pub mod reset;
pub mod rotate_fairness;
pub mod sign_up;
pub mod spin_slot;

#[cfg(test)]
mod tests;
