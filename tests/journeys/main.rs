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
mod fairness;
mod first_day;
mod gateway;
mod health;
mod login_lock;
mod mail;
mod metrics;
mod olap_health;
mod operations;
mod payments;
mod private;
mod problems;
mod realtime;
mod realtime_session;
mod roles;
mod shop;
mod slot;
mod streak;
mod sync;
mod telemetry;
mod tokens;
// (cargo xtask new-endpoint adds journeys above)
