//! Journeys that move the clock, configure or break something, or look inside: each
//! has a stack to itself wherever it runs, so the deployed tier leaves them out.

mod account_export;
mod dead_letters;
mod dev_reset;
mod fraud_audit;
mod fraud_rules;
mod invite_issue;
mod limited;
mod limits;
mod metrics;
mod metrics_stream;
mod streak_repair;
mod webhooks_out;
