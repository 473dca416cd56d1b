//! What clients tell about themselves.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The largest body of `POST /api/telemetry/events`.
pub const TELEMETRY_BODY_BYTES: usize = 32 * 1024;

/// The first instant that no event may have: 2100-01-01.
const END_MS: i64 = 4_102_444_800_000;

/// `POST /api/telemetry/events`. At most 32 KiB.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "events": [{ "ts": 1_795_222_923_456_i64, "name": "page.view" }] }))]
pub struct TelemetryRequest {
    #[garde(length(min = 1, max = 50), dive)]
    #[schema(min_items = 1, max_items = 50)]
    pub events: Vec<TelemetryEvent>,
}

/// Something that happened in a client.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TelemetryEvent {
    #[garde(custom(known_time))]
    pub ts: ClientTime,
    /// Lower case, digits, `.`, `_` and `-`.
    #[garde(length(min = 1, max = 64), custom(telemetry_name))]
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$", example = "page.view")]
    pub name: String,
    /// Whatever belongs to it. No personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schema(value_type = Option<Object>, example = json!({ "page": "/shop", "ms": 412 }))]
    pub meta: Option<Map<String, Value>>,
}

/// When it was, as the client's clock has it, from 1970 to 2099.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ClientTime {
    /// Milliseconds since 1970, as `Date.now()` has it.
    Milliseconds(i64),
    /// An instant of RFC 3339, as `toISOString()` has it.
    Text(String),
}

impl ClientTime {
    /// The instant, if it is one from 1970 to 2099.
    #[must_use]
    pub fn instant(&self) -> Option<Timestamp> {
        let instant = match self {
            Self::Milliseconds(ms) => Timestamp::from_millisecond(*ms).ok()?,
            Self::Text(text) => text.parse().ok()?,
        };
        (0..END_MS).contains(&instant.as_millisecond()).then_some(instant)
    }
}

fn known_time(ts: &ClientTime, (): &()) -> garde::Result {
    well_formed(ts.instant().is_some())
}

fn telemetry_name(name: &str, (): &()) -> garde::Result {
    let plain = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    well_formed(name.bytes().all(plain))
}

fn well_formed(ok: bool) -> garde::Result {
    if ok { Ok(()) } else { Err(garde::Error::new("invalid_format")) }
}

/// What became of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TelemetryAnswer {
    /// Events that are kept.
    pub accepted: u8,
    /// Events of names that come too often, of which one in five is kept: not these.
    pub sampled_out: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_milliseconds_or_rfc_3339() {
        let read = |json: &str| serde_json::from_str::<ClientTime>(json).ok()?.instant();
        let noon = read("1795222923456").unwrap();
        assert_eq!(read("\"2026-11-21T01:02:03.456Z\""), Some(noon));
        assert_eq!(read("\"2026-11-21T10:02:03.456+09:00\""), Some(noon));
        for wrong in [
            "-1",
            "4102444800000",
            "9223372036854775807",
            "18446744073709551615",
            "1.5",
            "true",
            "null",
            "\"\"",
            "\"2026-11-21\"",
            "\"2100-01-01T00:00:00Z\"",
            "\"1969-12-31T23:59:59.999Z\"",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
