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
mod mailbox;
pub mod parameters;
mod payments;
pub mod remote;
mod runner;
pub mod seed;
pub mod spec;
mod stack;
pub mod template;
pub mod triggers;

pub use stack::{Between, Options, Stack};

/// Logs to standard error from `info` on, or as `RUST_LOG` says. For a program's
/// `main`.
pub fn log_to_stderr() {
    use std::io::IsTerminal as _;
    use tracing_subscriber::EnvFilter;
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
}
