//! Push queue → sockets.
//!
//! The queue delivers a player's messages in order and at least once. A frame
//! goes to every socket of its player that was greeted before it; a socket that
//! is gone (410) is forgotten, and only that one.

use std::{collections::BTreeSet, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use contract::{
    home::DashboardCore,
    realtime::{ConnectionData, ConnectionFrame},
};
use domain::PlayerId;
use futures::future::try_join_all;
use jiff::Timestamp;
use runtime::{
    Clock, Deps, Function,
    push::{Body, Delivery, Message, Sockets},
};
use serde_json::Value;
use store::{Connection, Store, Subject};

/// API Gateway answers 410 until `$connect` has been answered, so a greeting may
/// come too early. It is tried again for a second or so.
const EARLY_ATTEMPTS: u32 = 8;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `SOCKET_ENDPOINT` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let push = Push {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        sockets: Sockets::new(&deps)?,
        clock: deps.clock,
    };
    Ok(Function::trigger(move |event: SqsEvent, _context| {
        let push = push.clone();
        async move { Ok(push.deliver_all(event.records).await) }
    }))
}

#[derive(Clone)]
struct Push {
    store: Store,
    sockets: Sockets,
    clock: Clock,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Post(#[from] runtime::push::PostError),
    #[error("not a push message")]
    Unreadable(#[from] serde_json::Error),
}

impl Push {
    /// Delivers the batch. A player whose message fails gets none of the later
    /// ones either, so that the order holds; the others go on.
    async fn deliver_all(&self, records: Vec<SqsMessage>) -> SqsBatchResponse {
        let mut answer = SqsBatchResponse::default();
        let mut stopped = BTreeSet::new();
        for record in records {
            let id = record.message_id.unwrap_or_default();
            let group = record.attributes.get("MessageGroupId").cloned();
            if stopped.contains(&group) {
                answer.add_failure(id);
                continue;
            }
            if let Err(error) = self.deliver(record.body.as_deref().unwrap_or_default()).await {
                tracing::error!(message_id = id, ?group, %error, "a push message comes back");
                stopped.insert(group);
                answer.add_failure(id);
            }
        }
        answer
    }

    async fn deliver(&self, body: &str) -> Result<(), Error> {
        let Message { player, body } = serde_json::from_str(body)?;
        let connections = self.store.connections(player).await?;
        match body {
            Body::Frames(frames) => {
                let sending =
                    connections.iter().map(|connection| self.send(player, connection, &frames));
                try_join_all(sending).await?;
            }
            Body::Greet { connection_id } => {
                let known = |connection: &&Connection| connection.connection_id == connection_id;
                if let Some(connection) = connections.iter().find(known) {
                    self.greet(player, connection).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends what the socket's `initial_state` did not hold already. A socket that
    /// was not greeted yet gets nothing: its `initial_state` will hold it all.
    async fn send(
        &self,
        player: PlayerId,
        connection: &Connection,
        frames: &[Value],
    ) -> Result<(), Error> {
        let Some(greeted) = connection.greeted_seq else { return Ok(()) };
        for frame in frames.iter().filter(|frame| frame["seq"].as_u64() > Some(greeted)) {
            if self.sockets.post(&connection.connection_id, frame).await? == Delivery::Gone {
                self.store.forget(player, &connection.connection_id).await?;
                break;
            }
        }
        Ok(())
    }

    /// `sync_connected`, then `initial_state`. The socket gets the frames of every
    /// entry after that state: they are behind this message in the queue.
    async fn greet(&self, player: PlayerId, connection: &Connection) -> Result<(), Error> {
        let state = self.store.player(Subject::system(player)).await?;
        let now = self.clock.now();
        let connected =
            ConnectionData::SyncConnected { connection_id: connection.connection_id.clone() };
        let core = DashboardCore::of(&state, runtime::utc_day(now));
        let initial = ConnectionData::InitialState(Box::new(core));
        let frame = |data, timestamp: Timestamp| ConnectionFrame {
            data,
            user_id: player.uuid(),
            timestamp,
            seq: state.version,
        };
        if self.post_early(connection, &frame(connected, now)).await? == Delivery::Gone
            || self.sockets.post(&connection.connection_id, &frame(initial, now)).await?
                == Delivery::Gone
        {
            return Ok(self.store.forget(player, &connection.connection_id).await?);
        }
        Ok(self.store.greeted(player, &connection.connection_id, state.version).await?)
    }

    async fn post_early(
        &self,
        connection: &Connection,
        frame: &ConnectionFrame,
    ) -> Result<Delivery, Error> {
        let mut pause = Duration::from_millis(5);
        for _ in 1..EARLY_ATTEMPTS {
            if self.sockets.post(&connection.connection_id, frame).await? == Delivery::Sent {
                return Ok(Delivery::Sent);
            }
            wait(pause).await;
            pause *= 2;
        }
        Ok(self.sockets.post(&connection.connection_id, frame).await?)
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}
