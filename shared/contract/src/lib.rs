//! The wire: every JSON shape that crosses the product's edge, and the stable
//! codes of everything that can go wrong there.
//!
//! Requests refuse unknown fields and validate themselves (`garde`); answers
//! and frames only serialize and describe themselves (`utoipa`). No rule of the
//! game lives here: a bet of more than the balance is a well-formed request.

pub mod account;
pub mod admin;
pub mod auth;
pub mod dead_letter;
pub mod email;
pub mod export;
pub mod fairness;
pub mod fraud;
pub mod health;
pub mod home;
pub mod language;
pub mod metrics;
pub mod olap;
pub mod openapi;
pub mod page;
mod present;
mod present_shop;
pub mod problem;
pub mod realtime;
pub mod rules;
pub mod secret;
pub mod shop;
pub mod slot;
pub mod telemetry;
pub mod webhook;

pub use language::Language;
pub use page::Page;
pub use problem::{Code, Field, Rule};
pub use rules::validate;
pub use secret::Secret;
