//! The way to a player's sockets: a queue in order per player, then API
//! Gateway's `@connections`.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::{
    config::timeout::TimeoutConfig,
    error::SdkError,
    operation::{
        delete_connection::DeleteConnectionError, post_to_connection::PostToConnectionError,
    },
    primitives::Blob,
};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use contract::realtime::fitted;
use domain::{Frame, PlayerId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Deps, boxed, in_turns};

/// Messages of one `SendMessageBatch`.
const BATCH: usize = 10;

/// For a call of `@connections` with its retries. Whoever posts in vain still has to
/// close the socket, well within a function's ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// For putting something into the queue that can be done without.
const BRIEF_PATIENCE: Duration = Duration::from_secs(1);

/// A message of the push queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub player: PlayerId,
    #[serde(flatten)]
    pub body: Body,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Frames for all sockets of the player, as they go out.
    Frames(Vec<Value>),
    /// A new socket: `sync_connected` and `initial_state`.
    Greet { connection_id: String },
    /// A frame that tells of no entry, for all sockets of the player that are greeted. It
    /// is said once: nobody can ask for it.
    Say {
        frame: Value,
        /// Within five minutes, what has the same is said once.
        id: String,
    },
    /// Sessions may have ended: sockets that were opened in one that has are closed.
    Part {
        /// The entry that says so.
        seq: u64,
    },
}

impl Message {
    /// The frames of one or more entries, in order.
    ///
    /// # Panics
    /// When a frame does not serialize, which is a defect.
    #[must_use]
    pub fn frames(player: PlayerId, frames: &[Frame]) -> Self {
        let frames = frames
            .iter()
            .map(|frame| serde_json::to_value(frame).expect("frames serialize"))
            .collect();
        Self { player, body: Body::Frames(frames) }
    }

    /// A frame that tells of no entry. Its `id` has 64 letters, digits and punctuation at
    /// most.
    ///
    /// # Panics
    /// When the frame does not serialize, which is a defect.
    #[must_use]
    pub fn say(frame: &Frame, id: String) -> Self {
        let player = frame.user_id;
        let frame = serde_json::to_value(frame).expect("frames serialize");
        Self { player, body: Body::Say { frame, id } }
    }

    /// Tells SQS that a message sent again is the same message.
    fn deduplication_id(&self) -> String {
        let what = match &self.body {
            Body::Greet { connection_id } => format!("greet:{connection_id}"),
            Body::Part { seq } => format!("part:{seq}"),
            Body::Say { id, .. } => format!("say:{id}"),
            Body::Frames(frames) => {
                let edge = |frame: Option<&Value>| {
                    frame.map(|frame| {
                        format!("{}:{}", frame["seq"], frame["type"].as_str().unwrap_or_default())
                    })
                };
                let (first, last) = (edge(frames.first()), edge(frames.last()));
                format!("{}-{}", first.unwrap_or_default(), last.unwrap_or_default())
            }
        };
        // The id may hold letters, digits and punctuation, 128 at most: all of these do.
        format!("{}:{what}", self.player)
    }
}

/// The push queue.
#[derive(Clone)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

/// Messages that did not get into the queue.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("the push queue does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the push queue refused a message: {0}")]
    Refused(String),
}

impl Queue {
    /// The queue of `PUSH_QUEUE_URL`.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn new(deps: &Deps) -> Result<Self, crate::MissingVariable> {
        Self::with_config(deps, aws_sdk_sqs::Config::new(deps.aws()))
    }

    /// The same for whoever has somebody waiting who can do without: it gives up soon.
    ///
    /// # Errors
    /// As [`Queue::new`].
    pub fn impatient(deps: &Deps) -> Result<Self, crate::MissingVariable> {
        let timeouts = TimeoutConfig::builder().operation_timeout(BRIEF_PATIENCE).build();
        let config = aws_sdk_sqs::config::Builder::from(deps.aws()).timeout_config(timeouts);
        Self::with_config(deps, config.build())
    }

    fn with_config(
        deps: &Deps,
        config: aws_sdk_sqs::Config,
    ) -> Result<Self, crate::MissingVariable> {
        let url = deps.env.require("PUSH_QUEUE_URL")?.to_owned();
        Ok(Self { client: aws_sdk_sqs::Client::from_conf(config), url })
    }

    /// Sends the messages; those of one player arrive in order.
    ///
    /// # Errors
    /// The first failure. Some of the messages are in the queue; sending them again
    /// within five minutes changes nothing.
    ///
    /// # Panics
    /// When a message does not serialize, which is a defect.
    #[boxed]
    pub async fn send(&self, messages: &[Message]) -> Result<(), QueueError> {
        for batch in in_turns(messages, BATCH, |message| message.player) {
            let entries = batch.iter().map(|&index| {
                let message = &messages[index];
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(serde_json::to_string(message).expect("messages serialize"))
                    .message_group_id(message.player.to_string())
                    .message_deduplication_id(message.deduplication_id())
                    .build()
                    .expect("id and body are set")
            });
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map_err(|error| QueueError::Unavailable(Box::new(error)))?;
            if let Some(failed) = answer.failed().first() {
                return Err(QueueError::Refused(failed.code().to_owned()));
            }
        }
        Ok(())
    }
}

/// API Gateway's `@connections`.
#[derive(Clone)]
pub struct Sockets {
    client: aws_sdk_apigatewaymanagement::Client,
}

/// Whether a socket took a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Sent,
    /// The socket is closed (410).
    Gone,
}

/// A socket could not be reached, nor is it known to be gone; or what is no frame was to
/// be posted.
#[derive(Debug, thiserror::Error)]
#[error("nothing could be done with a socket")]
pub struct SocketError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Sockets {
    /// The sockets behind `SOCKET_ENDPOINT`.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn new(deps: &Deps) -> Result<Self, crate::MissingVariable> {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(deps.aws())
            .endpoint_url(deps.env.require("SOCKET_ENDPOINT")?)
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
            .build();
        Ok(Self { client: aws_sdk_apigatewaymanagement::Client::from_conf(config) })
    }

    /// Posts one frame, or, where it is too long for one, that there is something.
    ///
    /// # Errors
    /// Anything but delivered or gone.
    pub async fn post(
        &self,
        connection_id: &str,
        frame: &impl Serialize,
    ) -> Result<Delivery, SocketError> {
        let data = serde_json::to_vec(frame).and_then(fitted);
        let data = data.map_err(|error| SocketError(error.into()))?;
        let answer = self
            .client
            .post_to_connection()
            .connection_id(connection_id)
            .data(Blob::new(data))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Delivery::Sent),
            Err(SdkError::ServiceError(service))
                if matches!(service.err(), PostToConnectionError::GoneException(_)) =>
            {
                Ok(Delivery::Gone)
            }
            Err(error) => Err(SocketError(Box::new(error))),
        }
    }

    /// Closes a socket; one that is gone is closed.
    ///
    /// # Errors
    /// Nobody knows whether it is closed.
    #[boxed]
    pub async fn close(&self, connection_id: &str) -> Result<(), SocketError> {
        match self.client.delete_connection().connection_id(connection_id).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(service))
                if matches!(service.err(), DeleteConnectionError::GoneException(_)) =>
            {
                Ok(())
            }
            Err(error) => Err(SocketError(Box::new(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn messages_read_back_and_are_told_apart() {
        let player = PlayerId::from_bytes([1; 16]);
        let greet = Message { player, body: Body::Greet { connection_id: "abc=".to_owned() } };
        let frames = Message {
            player,
            body: Body::Frames(vec![serde_json::json!({"type": "profile_update", "seq": 7})]),
        };
        let say = |id: &str| {
            let sold_out = domain::Refusal::Other("sold_out");
            let frame =
                domain::refused_purchase(player, "moon", 1, sold_out, Timestamp::MAX, "t-1");
            Message::say(&frame, id.to_owned())
        };
        for message in [&greet, &frames, &say("a")] {
            let text = serde_json::to_string(message).unwrap();
            assert_eq!(&serde_json::from_str::<Message>(&text).unwrap(), message);
        }
        assert_ne!(greet.deduplication_id(), frames.deduplication_id());
        assert_ne!(say("a").deduplication_id(), say("b").deduplication_id());
        assert!(say(&"x".repeat(64)).deduplication_id().len() <= 128);
    }
}
