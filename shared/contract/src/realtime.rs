//! The socket: the ticket to open it, what a client may say, and the frames that
//! belong to the connection rather than to a journal entry.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Secret, home::DashboardCore};

/// The longest frame: API Gateway closes a socket with code 1009 over a longer one, in
/// whatever direction
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>).
pub const FRAME_BYTES: usize = 32 * 1024;

/// Seconds a ticket is good for, once.
pub const TICKET_SECONDS: u32 = 30;

/// `POST /api/realtime/ticket`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TicketAnswer {
    /// Good for one connection; send it as `?ticket=`.
    #[schema(value_type = String, format = Password)]
    pub ticket: Secret,
    /// The socket's full address, without the ticket.
    #[schema(example = "wss://host/realtime")]
    pub url: String,
    /// Seconds.
    #[schema(example = 30)]
    pub expires_in: u32,
}

/// What a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Validate, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// "Send me everything after `last_seq`": the missed frames in order, or a
    /// fresh `initial_state` when the gap is too long.
    Sync {
        #[garde(skip)]
        last_seq: u64,
    },
    /// Answered by `pong`.
    Ping {},
}

/// What a client of the old `/api/games/ws` said, as it is said now; `None` if the message
/// is of now. The old socket named by `type` what is the `action` here.
#[must_use]
pub fn of_games_socket(message: &[u8]) -> Option<Vec<u8>> {
    let mut message: serde_json::Map<String, Value> = serde_json::from_slice(message).ok()?;
    if message.contains_key("action") {
        return None;
    }
    let Some(Value::String(action)) = message.remove("type") else { return None };
    message.insert("action".to_owned(), action.into());
    serde_json::to_vec(&message).ok()
}

/// A frame of the connection itself, in the shape all frames have:
/// `{type, user_id, data, timestamp, seq, trace_id}`. `seq` is the last entry the player
/// had when it was made; 0 of an answer that tells of no entry (`pong`, `error`).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionFrame {
    #[serde(flatten)]
    pub data: ConnectionData,
    pub user_id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    pub seq: u64,
    /// None of what tells of no request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// The frame's `type` and `data`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum ConnectionData {
    /// The first frame of a connection.
    SyncConnected { connection_id: String },
    /// The second, and after a gap that is too long to replay.
    InitialState(Box<DashboardCore>),
    /// The answer to a ping.
    Pong {},
    /// Stands for a frame that is longer than a frame can be. Its `seq`, `timestamp` and
    /// `trace_id` are that frame's, and `of` counts as its type where `(seq, type)` is
    /// compared; what it would have said, the API tells whoever asks.
    Reduced {
        /// The type of the frame.
        of: String,
        /// How long it is.
        bytes: usize,
    },
    /// A message that could not be understood, with a problem code.
    Error { code: String, message: String },
}

/// A frame as it goes out, in place of what is too long for one.
///
/// # Errors
/// What is too long is no frame.
pub fn fitted(frame: Vec<u8>) -> serde_json::Result<Vec<u8>> {
    /// What all frames have.
    #[derive(Deserialize)]
    struct Head {
        r#type: String,
        user_id: Uuid,
        timestamp: Timestamp,
        seq: u64,
        trace_id: Option<String>,
    }
    let bytes = frame.len();
    if bytes <= FRAME_BYTES {
        return Ok(frame);
    }
    let Head { r#type: of, user_id, timestamp, seq, trace_id } = serde_json::from_slice(&frame)?;
    let data = ConnectionData::Reduced { of, bytes };
    serde_json::to_vec(&ConnectionFrame { data, user_id, timestamp, seq, trace_id })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_frame_that_is_too_long_says_so_instead() {
        let frame = |length: usize| {
            let context = json!({ "text": "x".repeat(length) });
            json!({
                "type": "user_action", "data": { "context": context }, "seq": 7,
                "user_id": Uuid::nil(), "timestamp": "2026-11-29T00:00:00Z", "trace_id": "t-1",
            })
            .to_string()
            .into_bytes()
        };
        let rest = frame(0).len();
        let longest = frame(FRAME_BYTES - rest);
        assert_eq!(fitted(longest.clone()).unwrap(), longest);
        let reduced = fitted(frame(FRAME_BYTES - rest + 1)).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&reduced).unwrap(),
            json!({
                "type": "reduced", "data": { "of": "user_action", "bytes": FRAME_BYTES + 1 },
                "user_id": Uuid::nil(), "timestamp": "2026-11-29T00:00:00Z", "seq": 7,
                "trace_id": "t-1",
            })
        );
    }

    #[test]
    fn clients_say_sync_or_ping_and_nothing_else() {
        let read = serde_json::from_str::<ClientMessage>;
        assert_eq!(read(r#"{"action":"ping"}"#).unwrap(), ClientMessage::Ping {});
        let sync = ClientMessage::Sync { last_seq: 7 };
        assert_eq!(read(r#"{"action":"sync","last_seq":7}"#).unwrap(), sync);
        for refused in [
            r#"{"action":"sync"}"#,
            r#"{"action":"sync","last_seq":-1}"#,
            r#"{"action":"sync","last_seq":7,"user_id":"x"}"#,
            r#"{"action":"ping","more":1}"#,
            r#"{"action":"steal"}"#,
            r"{}",
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn clients_of_the_old_socket_said_type() {
        let read = |message: &str| {
            let modern = of_games_socket(message.as_bytes())?;
            Some(serde_json::from_slice::<ClientMessage>(&modern))
        };
        assert_eq!(read(r#"{"type":"ping"}"#).unwrap().unwrap(), ClientMessage::Ping {});
        let sync = ClientMessage::Sync { last_seq: 7 };
        assert_eq!(read(r#"{"type":"sync","last_seq":7}"#).unwrap().unwrap(), sync);
        assert!(read(r#"{"type":"spin","bet":10}"#).unwrap().is_err());
        for modern in [
            r#"{"action":"ping"}"#,
            r#"{"action":"ping","type":"ping"}"#,
            r#"{"type":5}"#,
            "{}",
            "[]",
            "",
        ] {
            assert!(read(modern).is_none(), "{modern}");
        }
    }
}
