//! Logs of a deployed function: one JSON object a line.

use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};

use crate::Env;

/// Starts logging and metrics of this process. For a function's `main` only: the
/// embedded stack and the tests install subscribers of their own.
///
/// The level is Lambda's `AWS_LAMBDA_LOG_LEVEL`, else `RUST_LOG`, else `info`;
/// `AWS_LAMBDA_LOG_FORMAT=Text` gives plain lines. Nothing secret is ever a field:
/// secrets have types whose `Debug` hides them, and requests are logged by route.
pub fn init() {
    let env = Env::from_process();
    let level = env.get("AWS_LAMBDA_LOG_LEVEL").or(env.get("RUST_LOG")).unwrap_or("info");
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(level.to_ascii_lowercase());
    let lines = fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stdout);
    let started = if env.get("AWS_LAMBDA_LOG_FORMAT") == Some("Text") {
        lines.try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(false).try_init()
    };
    if started.is_err() {
        tracing::debug!("a subscriber is already installed; it stays");
    }
    crate::metrics::init();
}
