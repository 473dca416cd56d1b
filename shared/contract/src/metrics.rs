//! How much is going on.

use std::{fmt, time::Duration};

use domain::activity::Global;
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `GET /api/metrics/global`, and each event of `GET /api/metrics/stream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GlobalMetrics {
    /// Players who did something within five minutes, or whose socket spoke.
    pub online_users: u64,
    /// Rounds of the slot within an hour, in whole minutes.
    pub spins_last_hour: u64,
    /// Rounds of any game within an hour that paid a thousand gold or more, or whatever
    /// counts as big.
    pub big_wins_last_hour: u64,
    /// When it was counted: up to five seconds ago.
    #[schema(value_type = String, format = DateTime)]
    pub generated_at: Timestamp,
}

impl GlobalMetrics {
    #[must_use]
    pub fn of(Global { online, spins, big_wins }: Global, generated_at: Timestamp) -> Self {
        Self {
            online_users: online as u64,
            spins_last_hour: spins,
            big_wins_last_hour: big_wins,
            generated_at,
        }
    }
}

/// An event of `GET /api/metrics/stream`, as its reader has it.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub struct MetricsEvent {
    /// Its name.
    #[schema(example = "metrics")]
    pub event: String,
    /// Milliseconds after which the reader asks again when the answer has ended.
    pub retry: u32,
    /// `GlobalMetrics` as JSON text.
    pub data: String,
}

impl MetricsEvent {
    /// # Panics
    /// When the metrics do not serialize, which is a defect.
    #[must_use]
    pub fn of(metrics: &GlobalMetrics, query: MetricsStreamQuery) -> Self {
        Self {
            event: "metrics".to_owned(),
            retry: query.seconds() * 1000,
            data: serde_json::to_string(metrics).expect("contract types serialize"),
        }
    }
}

/// As it is sent.
impl fmt::Display for MetricsEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, retry, data } = self;
        write!(f, "retry: {retry}\nevent: {event}\ndata: {data}\n\n")
    }
}

/// Seconds between events without a wish.
const DEFAULT_INTERVAL: u32 = 5;

/// The query of `GET /api/metrics/stream`
#[derive(Clone, Copy, Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MetricsStreamQuery {
    /// Seconds between events.
    #[garde(inner(range(min = 2, max = 30)))]
    #[param(minimum = 2, maximum = 30, default = 5)]
    pub interval: Option<u32>,
}

impl MetricsStreamQuery {
    fn seconds(self) -> u32 {
        self.interval.unwrap_or(DEFAULT_INTERVAL)
    }

    /// The time between events.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs(self.seconds().into())
    }

    /// How many events there are within a time, with that at its start.
    #[must_use]
    pub fn events_within(self, time: Duration) -> usize {
        let intervals = time.as_secs() / u64::from(self.seconds()).max(1);
        usize::try_from(intervals).map_or(usize::MAX, |intervals| intervals + 1)
    }
}
