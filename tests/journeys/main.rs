//! The product as its users meet it: one file per resource, and whole days.

mod account;
mod account_erase;
mod account_export;
mod account_rename;
mod auth;
mod auth_logout;
mod auth_logout_all;
mod auth_password;
mod auth_refresh;
mod dashboard;
mod dev_reset;
mod fairness;
mod first_day;
mod fraud_audit;
mod fraud_rules;
mod gateway;
mod health;
mod invite_issue;
mod limited;
mod limits;
mod login_lock;
mod mail;
mod operations;
mod payments;
mod problems;
mod realtime;
mod realtime_session;
mod roles;
mod shop;
mod slot;
mod streak;
mod streak_repair;
mod sync;
mod tokens;
mod webhooks_out;
// (cargo xtask new-endpoint adds journeys above)
