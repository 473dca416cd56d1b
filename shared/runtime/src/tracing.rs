//! Logs of a deployed function: one JSON object a line.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

use crate::Env;

/// Whose debug lines are about themselves: HTTP connections and the AWS clients.
const LIBRARIES: [&str; 11] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk",
    "aws_smithy",
    "h2",
    "hyper",
    "hyper_util",
    "lambda_http",
    "lambda_runtime",
    "rustls",
    "tower",
];

/// Starts logging and metrics of this process. For a function's `main` only: the
/// embedded stack and the tests install subscribers of their own.
///
/// The level is Lambda's `AWS_LAMBDA_LOG_LEVEL`, else `RUST_LOG`, else `info`, and
/// for libraries `info` at most;
/// `AWS_LAMBDA_LOG_FORMAT=Text` gives plain lines. Nothing secret is ever a field:
/// secrets have types whose `Debug` hides them, and requests are logged by route.
pub fn init() {
    let env = Env::from_process();
    let level = env.get("AWS_LAMBDA_LOG_LEVEL").or(env.get("RUST_LOG")).unwrap_or("info");
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    // What libraries say below INFO would be nine lines of ten. By target only: the
    // regular expressions of `EnvFilter` would be part of every binary.
    let libraries = level.min(LevelFilter::INFO);
    let ours = Targets::new().with_default(level);
    let lines = fmt::layer().with_ansi(false).with_writer(std::io::stdout);
    let registry = registry().with(
        LIBRARIES.iter().fold(ours, |targets, library| targets.with_target(*library, libraries)),
    );
    let started = if env.get("AWS_LAMBDA_LOG_FORMAT") == Some("Text") {
        registry.with(lines).try_init()
    } else {
        registry.with(lines.json().flatten_event(true).with_current_span(false)).try_init()
    };
    if started.is_err() {
        tracing::debug!("a subscriber is already installed; it stays");
    }
    crate::metrics::init();
}
