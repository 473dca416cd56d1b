//! Metrics as embedded-metric-format log lines: no network call on the hot path.
//!
//! Nothing is written until [`init`] was called, which only a function's `main`
//! does; tests and the embedded stack stay silent. A metric is a struct with
//! `#[metrics]`, handed to [`record`]: see [`HttpRequest`].

use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use metrique::{
    CloseValue, InflectableEntry, RootEntry, ServiceMetrics,
    emf::Emf,
    unit::{Millisecond, Second},
    unit_of_work::metrics,
    writer::{AttachGlobalEntrySink, FormatExt, sink::FlushImmediatelyBuilder},
};
use store::Receipt;

use crate::Problem;

/// The namespace of every metric.
pub const NAMESPACE: &str = "CasinoClub";

/// Starts writing metrics to standard output, a line each, at once: a frozen
/// Lambda flushes nothing later.
pub fn init() {
    if ServiceMetrics::is_attached() {
        return;
    }
    let stream = Emf::no_validations(NAMESPACE.to_owned(), vec![vec![]])
        .output_to_makewriter(|| std::io::stdout().lock());
    let sink = FlushImmediatelyBuilder::new().build_boxed(stream);
    // The handle would detach on drop; the sink lives as long as the process.
    ServiceMetrics::attach((sink, ())).forget();
}

/// Writes one record, or nothing before [`init`].
pub fn record<M>(metric: M)
where
    M: CloseValue<Closed: InflectableEntry + Send + 'static>,
{
    if ServiceMetrics::is_attached() {
        // Attached just now and never detached.
        let _ = ServiceMetrics::try_append(RootEntry::new(metric.close()));
    }
}

/// One HTTP request: count, server errors and latency, overall and per route.
#[metrics(emf::dimension_sets = [["stage"], ["stage", "route"]])]
#[derive(Debug)]
pub struct HttpRequest {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    route: String,
    method: String,
    /// A property to search by, not a metric.
    status: String,
    http_requests_total: u64,
    /// 1 for a 5xx, so that the average is the error rate.
    http_server_errors_total: u64,
    #[metrics(unit = Millisecond)]
    http_request_duration_ms: f64,
}

impl HttpRequest {
    pub(crate) fn new(
        at: Timestamp,
        stage: String,
        route: String,
        method: String,
        status: u16,
        duration_ms: f64,
    ) -> Self {
        Self {
            at: at.into(),
            stage,
            route,
            method,
            status: status.to_string(),
            http_requests_total: 1,
            http_server_errors_total: u64::from(status >= 500),
            http_request_duration_ms: duration_ms,
        }
    }
}

#[metrics(emf::dimension_sets = [["successor"]])]
struct DeprecatedCall {
    successor: &'static str,
    deprecated_calls_total: u64,
}

/// Counts a call of an old path.
pub fn deprecated_call(successor: &'static str) {
    record(DeprecatedCall { successor, deprecated_calls_total: 1 });
}

/// Counts a request to buy by its answer: bought, begun, or why not.
pub fn attempt_to_buy(flow: &'static str, came: &Result<Receipt, Problem>) {
    let begun = |receipt: &Receipt| receipt.entry.answer.as_ref().is_some_and(|a| a.status == 202);
    let (result, reason) = match came {
        Ok(receipt) if receipt.replayed => ("idempotent_reuse", "replayed"),
        Ok(receipt) if begun(receipt) => ("pending", "begun"),
        Ok(_) => ("success", "bought"),
        Err(problem) => ("refused", problem.code().as_str()),
    };
    purchase_attempt(flow, result, reason);
}

#[metrics(emf::dimension_sets = [["flow", "result"], ["flow", "result", "reason"]])]
struct PurchaseAttempt {
    flow: &'static str,
    result: &'static str,
    reason: &'static str,
    purchase_attempt_total: u64,
}

/// Counts what became of an attempt to buy: `flow` is how it is paid for (`gold`,
/// `money`, `limited`), `reason` a problem's code, or who brought the news.
pub fn purchase_attempt(flow: &'static str, result: &'static str, reason: &'static str) {
    record(PurchaseAttempt { flow, result, reason, purchase_attempt_total: 1 });
}

#[metrics(emf::dimension_sets = [["action"]])]
struct FraudDecision {
    action: &'static str,
    fraud_decisions_total: u64,
}

/// Counts a decision on a purchase with money.
pub fn fraud_decision(action: &'static str) {
    record(FraudDecision { action, fraud_decisions_total: 1 });
}

/// One attempt at delivering a webhook, or the end of all.
#[metrics(emf::dimension_sets = [["stage"], ["stage", "result"]])]
pub struct WebhookDelivery {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    /// `delivered`, `retried` or `failed`.
    result: &'static str,
    webhook_delivery_total: u64,
    /// From connecting to the receiver's answer.
    #[metrics(unit = Millisecond)]
    webhook_delivery_duration_ms: f64,
}

impl WebhookDelivery {
    /// What became of an attempt that ended at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, result: &'static str, duration_ms: f64) -> Self {
        Self {
            at: at.into(),
            stage,
            result,
            webhook_delivery_total: 1,
            webhook_delivery_duration_ms: duration_ms,
        }
    }
}

/// A journal record that was given up.
#[metrics(emf::dimension_sets = [["stage"]])]
pub struct DeadLetter {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    outbox_dead_letters_total: u64,
}

impl DeadLetter {
    /// One more, at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String) -> Self {
        Self { at: at.into(), stage, outbox_dead_letters_total: 1 }
    }
}

/// A message of the old `/api/games/ws`. Called after connections, as dashboards know it.
#[metrics(emf::dimension_sets = [["stage"], ["stage", "result"]])]
pub struct GamesSocket {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    /// `accepted` or `rejected`.
    result: &'static str,
    ws_legacy_games_connections_total: u64,
}

impl GamesSocket {
    /// One more, at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, accepted: bool) -> Self {
        let result = if accepted { "accepted" } else { "rejected" };
        Self { at: at.into(), stage, result, ws_legacy_games_connections_total: 1 }
    }
}

/// What a sweep of the outbox found, of the players it looked at.
#[metrics(emf::dimension_sets = [["stage"]])]
pub struct OutboxSweep {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    /// Entries that wait to be published.
    outbox_pending_count: u64,
    /// Age of the oldest of them.
    #[metrics(unit = Second)]
    outbox_lag_seconds: u64,
    /// Entries that the table's stream never delivered.
    outbox_swept_total: u64,
}

impl OutboxSweep {
    /// A sweep at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, pending: u64, lag_seconds: u64, swept: u64) -> Self {
        Self {
            at: at.into(),
            stage,
            outbox_pending_count: pending,
            outbox_lag_seconds: lag_seconds,
            outbox_swept_total: swept,
        }
    }
}

/// A login that was turned away unheard, because too many before it had failed.
#[metrics(emf::dimension_sets = [["stage"]])]
pub struct LoginLocked {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    auth_login_locked_total: u64,
}

impl LoginLocked {
    /// One more, at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String) -> Self {
        Self { at: at.into(), stage, auth_login_locked_total: 1 }
    }
}

/// A reward that was claimed and given, now or before.
#[metrics(emf::dimension_sets = [["stage"]])]
pub struct RewardClaim {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    #[metrics(unit = Millisecond)]
    reward_claim_duration_ms: f64,
}

impl RewardClaim {
    /// One that was claimed at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, duration_ms: f64) -> Self {
        Self { at: at.into(), stage, reward_claim_duration_ms: duration_ms }
    }
}

/// A dashboard that was answered.
#[metrics(emf::dimension_sets = [["stage"]])]
pub struct DashboardAnswer {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    #[metrics(unit = Millisecond)]
    dashboard_response_ms: f64,
}

impl DashboardAnswer {
    /// One that was asked for at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, duration_ms: f64) -> Self {
        Self { at: at.into(), stage, dashboard_response_ms: duration_ms }
    }
}

/// A player's protections that missed days used up.
#[metrics(emf::dimension_sets = [["stage"], ["stage", "by"]])]
pub struct ProtectionConsumed {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    /// Who came first to settle the missed days: `claim` or `repair`.
    by: &'static str,
    protection_consumed_total: u64,
}

impl ProtectionConsumed {
    /// This many of one player, at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, by: &'static str, protections: u32) -> Self {
        Self { at: at.into(), stage, by, protection_consumed_total: protections.into() }
    }
}

/// For how many players a run of the streaks' repair did one thing. No set without the
/// action: a sum of what was mended and what was not says nothing.
#[metrics(emf::dimension_sets = [["stage", "action"]])]
pub struct StreakRepair {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    /// `protection_consumed`, `broken` or `failed`.
    action: &'static str,
    streak_repair_actions_total: u64,
}

impl StreakRepair {
    /// What the run at `at` did to this many players.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, action: &'static str, players: u64) -> Self {
        Self { at: at.into(), stage, action, streak_repair_actions_total: players }
    }
}

/// A batch of journal entries that was not published to its end, and comes back.
#[metrics(emf::dimension_sets = [["stage"]])]
pub struct PublishFailure {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    publish_failures_total: u64,
}

impl PublishFailure {
    /// One more, at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String) -> Self {
        Self { at: at.into(), stage, publish_failures_total: 1 }
    }
}

/// What sockets were told of one or more journal entries.
#[metrics(emf::dimension_sets = [["stage"]])]
pub struct FramesTold {
    #[metrics(timestamp)]
    at: SystemTime,
    stage: String,
    /// From the newest of them to when API Gateway had taken the last frame.
    #[metrics(unit = Millisecond)]
    realtime_event_lag_ms: f64,
}

impl FramesTold {
    /// Frames of entries up to that of `entry_at`, told at `at`.
    #[must_use]
    pub fn new(at: Timestamp, stage: String, entry_at: Timestamp) -> Self {
        let lag = at.duration_since(entry_at).as_secs_f64() * 1_000.0;
        Self { at: at.into(), stage, realtime_event_lag_ms: lag.max(0.0) }
    }
}

/// How long something took; the one place that reads the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "durations are the subject here")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn elapsed_ms(self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }
}

#[cfg(test)]
mod tests {
    use metrique::writer::format::Format;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    /// The line as it is written, if it is a valid one.
    fn line<M: CloseValue<Closed: InflectableEntry>>(metric: M) -> Value {
        let mut line = Vec::new();
        Emf::all_validations(NAMESPACE.to_owned(), vec![vec![]])
            .format(&RootEntry::new(metric.close()), &mut line)
            .unwrap();
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn a_request_is_a_valid_embedded_metric() {
        let line = line(HttpRequest::new(
            now(),
            "dev".into(),
            "/api/games/slot/spin".into(),
            "POST".into(),
            503,
            12.5,
        ));
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_000_i64);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "CasinoClub");
        assert_eq!(line["http_server_errors_total"], 1);
        assert_eq!(line["http_request_duration_ms"], 12.5);
        assert_eq!(line["route"], "/api/games/slot/spin");
    }

    #[test]
    fn what_a_run_did_is_counted_by_action_only() {
        let line = line(StreakRepair::new(now(), "dev".into(), "failed", 2));
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Dimensions"], json!([["stage", "action"]]));
        assert_eq!(line["streak_repair_actions_total"], 2);
        assert_eq!(line["action"], "failed");
    }

    #[test]
    fn protections_are_summed_up_and_claims_are_timed() {
        let consumed = line(ProtectionConsumed::new(now(), "dev".into(), "claim", 3));
        assert_eq!(consumed["protection_consumed_total"], 3);
        let claim = line(RewardClaim::new(now(), "dev".into(), 12.5));
        assert_eq!(claim["reward_claim_duration_ms"], 12.5);
    }
}
