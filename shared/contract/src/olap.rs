//! The event store, for operators.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// `GET /api/olap/health`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OlapHealthAnswer {
    pub status: OlapStatus,
    /// Absent unless the server answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingestion: Option<OlapIngestion>,
    /// Absent unless the server answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity: Option<OlapParity>,
}

/// How the event store is: none is configured, so nothing is loaded; it does not answer as
/// it should, and events wait in the stream; the table lacks what the journal holds, or a
/// view has not counted what the table holds; all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OlapStatus {
    Off,
    Down,
    Differs,
    Ok,
}

/// What arrives.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OlapIngestion {
    /// Events of the last five minutes, by their own time, that are there.
    pub events_last_5m: u64,
    /// Events that came in the last five minutes, whatever their own time.
    pub loaded_last_5m: u64,
    /// From an event's time to its row, of those that came in the last five minutes.
    /// Absent when none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_p50_ms: Option<u64>,
    /// Likewise; one in twenty took longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_p95_ms: Option<u64>,
}

/// The audit of yesterday and today, UTC: what the table holds, counted against the
/// journal, whose entries are numbered, and against what each view has counted, hour by
/// hour or day by day as the view has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OlapParity {
    /// Events in the table.
    pub events: u64,
    /// Entries of the journal that are not in the table, although later ones of the same
    /// player are. One that waits among the dead letters is one of them.
    pub missing: u64,
    /// Loads that are not known to have reached every view. While one is under way a view
    /// may differ for a moment; one that was interrupted is completed when it comes again.
    pub loads_under_way: u64,
    /// Empty when all is well.
    pub differences: Vec<OlapDifference>,
}

/// An hour or day that a view has counted otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OlapDifference {
    #[schema(example = "actions_hourly")]
    pub view: String,
    /// When the hour or day begins, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// By the table.
    pub expected: u64,
    /// By the view.
    pub counted: u64,
}
