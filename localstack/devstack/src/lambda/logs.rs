//! What a function writes goes to our own log, line by line.

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Child,
};

/// A log line in JSON; anything else has no level.
#[derive(Default, Deserialize)]
struct Line<'a> {
    #[serde(default)]
    level: &'a str,
}

/// Forwards both outputs of `child` until it closes them.
pub(super) fn forward(function: &str, child: &mut Child) {
    if let Some(output) = child.stdout.take() {
        tokio::spawn(lines(function.to_owned(), output));
    }
    if let Some(output) = child.stderr.take() {
        tokio::spawn(lines(function.to_owned(), output));
    }
}

async fn lines(function: String, output: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let text = String::from_utf8_lossy(&line);
        match serde_json::from_slice::<Line>(&line).unwrap_or_default().level {
            "ERROR" => tracing::error!(function, "{text}"),
            "WARN" => tracing::warn!(function, "{text}"),
            "INFO" => tracing::info!(function, "{text}"),
            // Metrics, too.
            _ if text.starts_with('{') => tracing::debug!(function, "{text}"),
            _ => tracing::info!(function, "{text}"),
        }
    }
}
