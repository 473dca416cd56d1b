//! The socket: the ticket to open it, what a client may say, and the frames that
//! belong to the connection rather than to a journal entry.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Secret, home::DashboardCore};

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

/// A frame of the connection itself, in the shape all frames have:
/// `{type, user_id, data, timestamp, seq}`. `seq` is the last entry the player
/// had when it was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionFrame {
    #[serde(flatten)]
    pub data: ConnectionData,
    pub user_id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    pub seq: u64,
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
    /// A message that could not be understood, with a problem code.
    Error { code: String, message: String },
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
