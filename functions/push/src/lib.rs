//! Push queue → sockets.
//!
//! The queue delivers a player's messages in order and at least once. A frame
//! goes to every socket of its player that was greeted before it; a socket that
//! is gone (410) is forgotten, and only that one.
//!
//! Every frame is delivered, or its client asks for it: no socket gets a frame after
//! one that was given up, because its client would believe that it had seen
//! everything up to the later one. So it is never a message that is given up, but
//! the sockets it could not be posted to: they are closed and forgotten, their
//! clients come back, and `sync` from the last entry they have seen whole. The queue
//! itself drops a message only when every socket of its time is closed
//! (`template.yaml` has the numbers).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use contract::{
    home::DashboardCore,
    realtime::{ConnectionData, ConnectionFrame},
};
use domain::{Player, PlayerId};
use futures::future::join_all;
use jiff::Timestamp;
use runtime::{
    Clock, Deps, Function, chain, metrics,
    push::{Body, Delivery, Message, SocketError, Sockets},
    received,
};
use serde_json::Value;
use store::{Connection, Store, Subject};

/// API Gateway answers 410 until `$connect` has been answered, so a greeting may
/// come too early. It is tried again for a second or so.
const EARLY_ATTEMPTS: u32 = 8;

/// A message that has come this often is not tried again: what is in its way is given
/// up. Receives are a visibility timeout of a minute apart, so a socket has four to
/// recover, more than a deployment or a bad moment of API Gateway takes. Meanwhile its
/// player's other sockets wait as well, so it is not more.
const GIVE_UP_AFTER: u32 = 5;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `SOCKET_ENDPOINT`, `DEAD_LETTER_QUEUE_URL` or `STAGE` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let push = Push {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        sockets: Sockets::new(&deps)?,
        sqs: aws_sdk_sqs::Client::new(deps.aws()),
        dead_letters: deps.env.require("DEAD_LETTER_QUEUE_URL")?.to_owned(),
        stage: deps.env.require("STAGE")?.to_owned(),
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
    sqs: aws_sdk_sqs::Client,
    /// Address of the queue for what nobody can read.
    dead_letters: String,
    stage: String,
    clock: Clock,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Post(#[from] SocketError),
    #[error("not a push message")]
    Unreadable(#[from] serde_json::Error),
    #[error("the dead-letter queue does not answer")]
    DeadLetters(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Push {
    /// Delivers the batch, each player's messages in order and the players at once: whose
    /// sockets are slow delays nobody else's frames of this batch. The queue gives out
    /// nobody's next ones before the batch is through.
    async fn deliver_all(&self, records: Vec<SqsMessage>) -> SqsBatchResponse {
        let id = |record: &SqsMessage| record.message_id.clone().unwrap_or_default();
        let ids: Vec<_> = records.iter().map(id).collect();
        let mut players: BTreeMap<_, Vec<SqsMessage>> = BTreeMap::new();
        for record in records {
            let group = record.attributes.get("MessageGroupId").cloned();
            players.entry(group).or_default().push(record);
        }
        let failed = players.into_values().map(|messages| self.deliver_in_order(messages));
        let failed: BTreeSet<_> = join_all(failed).await.into_iter().flatten().collect();
        let mut answer = SqsBatchResponse::default();
        for id in ids.into_iter().filter(|id| failed.contains(id)) {
            answer.add_failure(id);
        }
        answer
    }

    /// Delivers a player's messages up to the first that fails; what is to come again.
    async fn deliver_in_order(&self, messages: Vec<SqsMessage>) -> Vec<String> {
        for (place, message) in messages.iter().enumerate() {
            let Err(error) = self.deliver(message).await else { continue };
            let id = message.message_id.as_deref();
            let group = message.attributes.get("MessageGroupId");
            tracing::error!(message_id = id, ?group, %error, "a push message comes back");
            let back = messages.into_iter().skip(place);
            // An empty id fails the batch, which is what a message without one deserves.
            return back.map(|message| message.message_id.unwrap_or_default()).collect();
        }
        Vec::new()
    }

    async fn deliver(&self, record: &SqsMessage) -> Result<(), Error> {
        let last = received(record) >= GIVE_UP_AFTER;
        let Message { player, body } = match serde_json::from_str(text(record)) {
            Ok(message) => message,
            // A newer version of this function may be able to read it.
            Err(error) if last => return self.set_aside(record, &error.into()).await,
            Err(error) => return Err(error.into()),
        };
        let connections = self.store.connections(player).await?;
        match body {
            Body::Frames(frames) => {
                // Each to its end, whatever becomes of the others.
                let settling = connections.iter().map(async |connection| {
                    let posted = self.send(connection, &frames).await;
                    self.settle(player, connection, posted.map_err(Error::from), last).await
                });
                join_all(settling).await.into_iter().collect::<Result<(), Error>>()?;
                self.measure(&connections, &frames);
                Ok(())
            }
            Body::Say { frame, .. } => {
                let there = connections.iter().filter(|one| one.greeted_seq.is_some());
                let saying = there.map(async |connection| self.say(connection, &frame).await);
                join_all(saying).await;
                Ok(())
            }
            Body::Greet { connection_id } => {
                let known = |connection: &&Connection| connection.connection_id == connection_id;
                let Some(connection) = connections.iter().find(known) else { return Ok(()) };
                let posted = self.greet(player, connection).await;
                self.settle(player, connection, posted, last).await
            }
            Body::Part { .. } => {
                if connections.is_empty() {
                    return Ok(());
                }
                let state = self.store.player(Subject::system(player)).await?;
                let parting = connections.iter().filter(|connection| !belongs(connection, &state));
                let parting = parting.map(async |connection| {
                    let closed = self.sockets.close(&connection.connection_id).await;
                    let closed = closed.map(|()| Delivery::Gone).map_err(Error::from);
                    self.settle(player, connection, closed, last).await
                });
                join_all(parting).await.into_iter().collect()
            }
        }
    }

    /// Says to a socket what can be said once only: whom it does not reach, it was not
    /// for. The next frame finds out who is gone.
    async fn say(&self, connection: &Connection, frame: &Value) {
        let Connection { connection_id, .. } = connection;
        if let Err(error) = self.sockets.post(connection_id, frame).await {
            tracing::warn!(connection_id, error = chain(&error), "a socket was not told");
        }
    }

    /// How far behind the journal the player's sockets are.
    fn measure(&self, connections: &[Connection], frames: &[Value]) {
        let newest = frames.iter().filter_map(|frame| frame["seq"].as_u64()).max();
        let told =
            connections.iter().any(|one| one.greeted_seq.is_some_and(|at| Some(at) < newest));
        let entry_at = frames.iter().filter_map(|frame| frame["timestamp"].as_str()?.parse().ok());
        if let Some(entry_at) = entry_at.max().filter(|_| told) {
            let now = self.clock.now();
            metrics::record(metrics::FramesTold::new(now, self.stage.clone(), entry_at));
        }
    }

    /// What is left to do after posting to a socket. At the last try, nothing is in
    /// the message's way but the table.
    async fn settle(
        &self,
        player: PlayerId,
        connection: &Connection,
        posted: Result<Delivery, Error>,
        last: bool,
    ) -> Result<(), Error> {
        match posted {
            Ok(Delivery::Sent) => Ok(()),
            Ok(Delivery::Gone) => Ok(self.store.forget(player, &connection.connection_id).await?),
            Err(error @ Error::Post(_)) if last => self.give_up(player, connection, &error).await,
            Err(error) => Err(error),
        }
    }

    /// Closes a socket, if that can be done, and forgets it in any case.
    ///
    /// Closed first: if this ends between the two, the next try finds it gone. The
    /// other way round it would stay open, and silent.
    async fn give_up(
        &self,
        player: PlayerId,
        connection: &Connection,
        cause: &Error,
    ) -> Result<(), Error> {
        let Connection { connection_id, .. } = connection;
        let closed = self.sockets.close(connection_id).await.is_ok();
        tracing::warn!(%player, connection_id, closed, %cause, "gave a socket up");
        Ok(self.store.forget(player, connection_id).await?)
    }

    /// Puts a message that nobody can read into the dead-letter queue. It may have
    /// held frames, so its player's sockets are given up first.
    async fn set_aside(&self, record: &SqsMessage, cause: &Error) -> Result<(), Error> {
        let group = record.attributes.get("MessageGroupId").map_or("", String::as_str);
        let id = record.message_id.as_deref().unwrap_or_default();
        if let Ok(player) = group.parse() {
            for connection in self.store.connections(player).await? {
                self.give_up(player, &connection, cause).await?;
            }
        }
        tracing::error!(message_id = id, group, %cause, "set a message aside");
        self.sqs
            .send_message()
            .queue_url(&self.dead_letters)
            .message_body(text(record))
            .message_group_id(group)
            .message_deduplication_id(id)
            .send()
            .await
            .map_err(|error| Error::DeadLetters(Box::new(error)))?;
        Ok(())
    }

    /// Sends what the socket's `initial_state` did not hold already. A socket that
    /// was not greeted yet gets nothing: its `initial_state` will hold it all.
    async fn send(
        &self,
        connection: &Connection,
        frames: &[Value],
    ) -> Result<Delivery, SocketError> {
        let Some(greeted) = connection.greeted_seq else { return Ok(Delivery::Sent) };
        for frame in frames.iter().filter(|frame| frame["seq"].as_u64() > Some(greeted)) {
            if self.sockets.post(&connection.connection_id, frame).await? == Delivery::Gone {
                return Ok(Delivery::Gone);
            }
        }
        Ok(Delivery::Sent)
    }

    /// `sync_connected`, then `initial_state`. The socket gets the frames of every
    /// entry after that state: they are behind this message in the queue.
    async fn greet(&self, player: PlayerId, connection: &Connection) -> Result<Delivery, Error> {
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
            trace_id: None,
        };
        if self.post_early(connection, &frame(connected, now)).await? == Delivery::Gone {
            return Ok(Delivery::Gone);
        }
        if !belongs(connection, &state) {
            // Its session ended while it was being opened.
            self.sockets.close(&connection.connection_id).await?;
            return Ok(Delivery::Gone);
        }
        let initial = frame(initial, now);
        if self.sockets.post(&connection.connection_id, &initial).await? == Delivery::Gone {
            return Ok(Delivery::Gone);
        }
        self.store.greeted(player, &connection.connection_id, state.version).await?;
        Ok(Delivery::Sent)
    }

    async fn post_early(
        &self,
        connection: &Connection,
        frame: &ConnectionFrame,
    ) -> Result<Delivery, SocketError> {
        let mut pause = Duration::from_millis(5);
        for _ in 1..EARLY_ATTEMPTS {
            if self.sockets.post(&connection.connection_id, frame).await? == Delivery::Sent {
                return Ok(Delivery::Sent);
            }
            self.store.pause(pause).await;
            pause *= 2;
        }
        self.sockets.post(&connection.connection_id, frame).await
    }
}

/// Whether the session that the socket was opened in is still open.
fn belongs(connection: &Connection, state: &Player) -> bool {
    connection.session.is_none_or(|session| state.sessions.get(session).is_some())
}

fn text(record: &SqsMessage) -> &str {
    record.body.as_deref().unwrap_or_default()
}
