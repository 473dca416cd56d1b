//! The product on one machine, from `template.yaml`: an in-process AWS, the real
//! functions, and triggers with AWS's semantics.
//!
//! [`Stack::start`] is all of it. A test gets a private one in memory; `cargo up`
//! runs one on a data directory.

mod adapters;
pub mod clickhouse;
pub mod engine;
pub mod functions;
pub mod gateway;
pub mod invoke;
pub mod lambda;
mod local;
pub mod parameters;
pub mod remote;
mod runner;
pub mod seed;
pub mod spec;
mod stack;
pub mod template;
pub mod triggers;

pub use stack::{Options, Stack};
