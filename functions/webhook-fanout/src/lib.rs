//! Event stream → webhook deliveries.
//!
//! Each event becomes one delivery for each active endpoint that subscribes to it: an
//! item under a key that event and endpoint make, then a message that says "look at
//! it". Whatever breaks off between the two comes back with the batch, finds the items
//! there, and sends the messages again; a message about what is delivered already is
//! dropped by its reader. An operator's replay is an event, too, and becomes a message
//! the same way.

use std::time::Duration;

use aws_lambda_events::{
    kinesis::{KinesisEvent, KinesisEventRecord},
    streams::KinesisEventResponse,
};
use domain::{
    Envelope,
    webhook::{Delivery, DeliveryId, Directory, message, replayed},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use runtime::{
    Deps, Function,
    webhooks::{Queue, QueueError},
};
use store::Store;

/// Deliveries stored at once.
const AT_ONCE: usize = 16;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `WEBHOOK_QUEUE_URL` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let fanout = Fanout {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        queue: Queue::new(&deps)?,
    };
    Ok(Function::trigger(move |event: KinesisEvent, _context| {
        let fanout = fanout.clone();
        async move { Ok(fanout.tell(event.records).await) }
    }))
}

#[derive(Clone)]
struct Fanout {
    store: Store,
    queue: Queue,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Fanout {
    /// Makes deliveries of the batch, or it comes back whole: what was stored and not
    /// sent is sent then.
    async fn tell(&self, records: Vec<KinesisEventRecord>) -> KinesisEventResponse {
        let mut answer = KinesisEventResponse::default();
        if let Err(error) = self.try_tell(&records).await {
            tracing::error!(%error, "the batch comes back");
            answer.add_failure(&records[0].kinesis.sequence_number);
        }
        answer
    }

    async fn try_tell(&self, records: &[KinesisEventRecord]) -> Result<(), Error> {
        let events: Vec<Envelope> = records.iter().filter_map(read).collect();
        if events.is_empty() {
            return Ok(());
        }
        // Once for each batch, and after the batch has come: endpoints that are older
        // than an event of it are in what is read now. Kept from an earlier batch, it
        // might lack one that has just been registered.
        let directory = self.store.webhooks().await?;
        let deliveries = deliveries(&directory, &events);
        let storing: Vec<_> =
            deliveries.iter().map(|delivery| self.store.add_delivery(delivery)).collect();
        stream::iter(storing).buffered(AT_ONCE).try_collect::<()>().await?;
        let told = deliveries.iter().map(|delivery| delivery.id);
        let messages: Vec<DeliveryId> = told.chain(events.iter().filter_map(replayed)).collect();
        Ok(self.queue.send(&messages, Duration::ZERO).await?)
    }
}

/// What is to be delivered. The same whenever the batch comes: nothing of it hangs on
/// the clock.
fn deliveries(directory: &Directory, events: &[Envelope]) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for event in events {
        let wanted = directory.endpoints.iter();
        for endpoint in wanted.filter(|of| of.wants(&event.event_type, event.ts)) {
            let id = DeliveryId::of(endpoint.id, event.user_id, event.seq, event.ts);
            let delivery = Delivery::new(id, event.event_type.clone(), message(event), event.ts);
            deliveries.push(delivery);
        }
    }
    deliveries
}

/// The event that a record holds. `olap-load` keeps what is none.
fn read(record: &KinesisEventRecord) -> Option<Envelope> {
    let event = serde_json::from_slice(&record.kinesis.data);
    event
        .inspect_err(|error| {
            let sequence = &record.kinesis.sequence_number;
            tracing::error!(sequence, %error, "skipped a record that is no event");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use domain::{
        PlayerId, WebhookEndpointId,
        webhook::{Edit, EventFilter},
    };
    use serde_json::json;

    use super::*;

    const NOON: &str = "2026-12-01T12:00:00Z";

    fn event(event_type: &str, seq: u64) -> Envelope {
        Envelope {
            event_type: event_type.to_owned(),
            user_id: PlayerId::from_bytes([1; 16]),
            ts: NOON.parse().expect("an instant"),
            trace_id: "trace".to_owned(),
            idempotency_key: None,
            version: 1,
            seq,
            payload: json!({}),
        }
    }

    #[test]
    fn an_event_becomes_one_delivery_for_each_who_subscribes_always_the_same() {
        let mut directory = Directory::default();
        for (byte, filter) in [(1, "*"), (2, "shop.*"), (3, "game.*")] {
            let edit = Edit::Register {
                id: WebhookEndpointId::from_bytes([byte; 16]),
                url: "https://hooks.example.com/".to_owned(),
                filters: vec![EventFilter::try_from(filter.to_owned()).expect("a filter")],
                description: String::new(),
            };
            let now = NOON.parse().expect("an instant");
            directory = directory.edited(&edit, now).expect("room").0;
        }
        let events = [event("game.round.settled", 2), event("streak.claim", 3)];
        let told = |events: &[Envelope]| -> Vec<_> {
            let deliveries = deliveries(&directory, events).into_iter();
            deliveries
                .map(|of| (of.id.endpoint.uuid().as_bytes()[0], of.event_type, of.id))
                .collect()
        };
        let first = told(&events);
        let whom: Vec<_> = first.iter().map(|(to, event, _)| (*to, event.as_str())).collect();
        let expected = [(1, "game.round.settled"), (3, "game.round.settled"), (1, "streak.claim")];
        assert_eq!(whom, expected);
        let twice = told(&[events[1].clone(), events[0].clone(), events[1].clone()]);
        assert!(twice.iter().all(|delivery| first.contains(delivery)), "{twice:?}");
    }
}
