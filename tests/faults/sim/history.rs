//! What happened in a run, as an observer outside the product saw it.

use serde::Serialize;
use serde_json::Value;

use crate::clients::Known;

/// Number of an invocation of a function, in order of their starts.
pub type Invocation = u32;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Event {
    /// A client's request reached its function.
    Request {
        by: Invocation,
        operation: &'static str,
        /// The caller by their token.
        #[serde(skip_serializing_if = "Option::is_none")]
        player: Option<String>,
        /// The session of that token.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        body: Value,
        /// The function's own clock, milliseconds.
        clock_ms: i64,
    },
    /// The client got an answer.
    Answer {
        by: Invocation,
        status: u16,
        replayed: bool,
        body: String,
    },
    /// The client got none: the function crashed, timed out or failed.
    Silence {
        by: Invocation,
        why: String,
    },
    /// A trigger invoked a function.
    Invoked {
        by: Invocation,
        function: &'static str,
        about: String,
        clock_ms: i64,
    },
    /// What the function told its trigger; `None` when it crashed or failed.
    Returned {
        by: Invocation,
        answer: Option<Value>,
        failure: Option<String>,
    },
    /// An attempt of a call, and what became of it. An effect that comes after its
    /// caller has gone is `late`.
    Call {
        by: Invocation,
        call: String,
        fate: &'static str,
        status: u16,
    },
    /// A read that may be stale, of what it read.
    StaleRead {
        by: Invocation,
        of: String,
    },
    /// A journal entry was committed.
    Committed {
        by: Invocation,
        player: String,
        seq: u64,
    },
    /// A record got into the event stream.
    Published {
        by: Invocation,
        data: String,
    },
    /// A block got into a table of ClickHouse.
    Stored {
        by: Invocation,
        table: &'static str,
        rows: Vec<Value>,
    },
    /// A payment stands so in the provider's book from now on.
    Payment {
        by: Invocation,
        receipt: String,
        player: String,
        product: String,
        amount_minor: i64,
        currency: String,
        status: &'static str,
    },
    /// A notice of the provider's was taken.
    Taken {
        by: Invocation,
        event_id: String,
    },
    /// A message got into the push queue, or was known there already.
    Queued {
        by: Invocation,
        group: String,
        deduplicated: bool,
    },
    /// A message of the push queue was given up.
    DeadLetter {
        group: String,
        body: String,
    },
    /// The table's stream will never deliver this entry.
    Lost {
        player: String,
        seq: u64,
    },
    /// Something was set aside as unreadable.
    SetAside {
        body: String,
    },
    /// A client opens a socket; it is open once `Opened` follows.
    Opening {
        by: Invocation,
        socket: String,
        player: String,
        ticket: String,
    },
    Opened {
        socket: String,
    },
    /// The client or the network closed it.
    Closed {
        socket: String,
    },
    /// The client asked for everything after `last_seq`.
    Sync {
        by: Invocation,
        socket: String,
        last_seq: u64,
    },
    /// A frame arrived at a socket.
    Frame {
        by: Invocation,
        socket: String,
        frame: Value,
    },
    /// Time passed: the true clock, milliseconds.
    Clock {
        now_ms: i64,
    },
    /// From here on nothing fails and clients insist.
    Calm,
    /// The run could not come to rest.
    Stuck {
        why: String,
    },
}

/// Everything an auditor may look at.
pub struct Evidence {
    pub history: Vec<Event>,
    /// The accounts that were there before the first request: an admin and a player.
    pub seeded: [Known; 2],
    /// Every item of the table, as `Scan` gives them, in the order of keys.
    pub items: Vec<Value>,
    /// What server seeds are derived from.
    pub master_key: [u8; 32],
    /// Steps before the calm.
    pub stormy_steps: usize,
    /// All of its steps.
    pub steps: usize,
}
