//! What a receiver is told.

use serde_json::json;

use super::DeliveryId;
use crate::Envelope;

/// The `action` of the event that asks for a failed delivery to be made again.
pub const REPLAY_ACTION: &str = "webhook_delivery.replay";

/// The body of an event's message, byte for byte the same however often it is made:
/// `{"type", "timestamp", "data": {"user_id", "seq", "payload"}}`. `(user_id, seq)` is
/// the event's identity, as everywhere. Keys and traces of requests stay inside.
#[must_use]
pub fn message(event: &Envelope) -> String {
    json!({
        "type": event.event_type,
        "timestamp": event.ts,
        "data": { "user_id": event.user_id, "seq": event.seq, "payload": event.payload },
    })
    .to_string()
}

/// The delivery that an event asks to be made again, if it does.
#[must_use]
pub fn replayed(event: &Envelope) -> Option<DeliveryId> {
    let asks = event.event_type == "admin.action" && event.payload["action"] == REPLAY_ACTION;
    event.payload["delivery_id"].as_str().filter(|_| asks)?.parse().ok()
}
