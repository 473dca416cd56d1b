//! The open sockets, and `@connections` over them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::engine::{Answer, now};

/// Messages that may wait for one client. A client this far behind is dropped
/// instead of holding up whoever posts to it.
const OUTBOUND_MAX: usize = 256;
/// Largest message either way.
pub(super) const MESSAGE_MAX: usize = 128 * 1024;
/// Largest frame. A client's message may have several, a posted one is one.
pub(super) const FRAME_MAX: usize = 32 * 1024;

/// All open sockets of a stack. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    open: Arc<Mutex<HashMap<String, Open>>>,
}

#[derive(Debug)]
struct Open {
    outbound: mpsc::Sender<Message>,
    /// Set to close the socket with that code.
    stop: watch::Sender<Option<CloseCode>>,
    connected_at: Timestamp,
    last_active_at: Timestamp,
    source_ip: String,
    user_agent: String,
}

/// The socket's side of an entry.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) outbound: mpsc::Receiver<Message>,
    pub(super) stop: watch::Receiver<Option<CloseCode>>,
}

impl Sockets {
    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on `id` can be posted to.
    pub(super) fn attach(&self, id: &str, at: Timestamp, ip: &str, user_agent: &str) -> Attached {
        let (outbound, receiver) = mpsc::channel(OUTBOUND_MAX);
        let (stop, stopped) = watch::channel(None);
        let open = Open {
            outbound,
            stop,
            connected_at: at,
            last_active_at: at,
            source_ip: ip.to_owned(),
            user_agent: user_agent.to_owned(),
        };
        self.lock().insert(id.to_owned(), open);
        Attached { outbound: receiver, stop: stopped }
    }

    /// From now on `id` is gone.
    pub(super) fn detach(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Notes that `id` sent something.
    pub(super) fn active(&self, id: &str) {
        if let Some(open) = self.lock().get_mut(id) {
            open.last_active_at = now();
        }
    }

    /// Closes all with 1001 and forgets them.
    pub(super) fn close_all(&self) {
        for (_, open) in self.lock().drain() {
            open.stop.send_replace(Some(CloseCode::Away));
        }
    }

    /// Serves an `@connections` call as the management API does.
    pub(crate) fn manage(&self, operation: &str, id: &str, body: &[u8]) -> Answer {
        if URL_SAFE.decode(id).is_err() {
            let text = format!("Invalid connectionId: {id}");
            return Answer::error(400, "BadRequestException", &text);
        }
        let answer = match operation {
            "PostToConnection" if body.len() > MESSAGE_MAX => {
                return Answer::error(413, "PayloadTooLargeException", "Message too long");
            }
            "PostToConnection" => self.post(id, body),
            "GetConnection" => self.get(id),
            "DeleteConnection" => self.delete(id),
            _ => return Answer::error(403, "ForbiddenException", "Forbidden"),
        };
        answer.unwrap_or_else(|| Answer::error(410, "GoneException", "Gone"))
    }

    fn post(&self, id: &str, body: &[u8]) -> Option<Answer> {
        let message = match std::str::from_utf8(body) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(body.to_vec()),
        };
        let mut all = self.lock();
        let open = all.get_mut(id)?;
        if body.len() > FRAME_MAX {
            // As AWS's limits have it; what the caller hears, they do not say.
            let open = all.remove(id)?;
            open.stop.send_replace(Some(CloseCode::Size));
            return None;
        }
        if open.outbound.try_send(message).is_err() {
            tracing::warn!(connection = id, "the client does not keep up; dropped");
            let open = all.remove(id)?;
            open.stop.send_replace(Some(CloseCode::Policy));
            return None;
        }
        open.last_active_at = now();
        Some(empty(200))
    }

    fn get(&self, id: &str) -> Option<Answer> {
        let all = self.lock();
        let open = all.get(id)?;
        Some(Answer::ok(&json!({
            "connectedAt": open.connected_at.to_string(),
            "lastActiveAt": open.last_active_at.to_string(),
            "identity": { "sourceIp": open.source_ip, "userAgent": open.user_agent },
        })))
    }

    fn delete(&self, id: &str) -> Option<Answer> {
        let open = self.lock().remove(id)?;
        open.stop.send_replace(Some(CloseCode::Normal));
        Some(empty(204))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty(status: u16) -> Answer {
    Answer { status, body: Vec::new() }
}
