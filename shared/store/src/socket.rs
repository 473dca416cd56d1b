//! Tickets and connections. Nothing of value is lost with them, so they expire.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValue};
use domain::{PlayerId, Role, SessionId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Store, Subject, boxed,
    error::{Result, classify, done_or_needless, if_condition_held},
    item::{self, Item, Owner},
    keys,
};

/// API Gateway closes a socket after two hours; its item may go a little later.
const CONNECTION_LIFE: Duration = Duration::from_secs(2 * 60 * 60 + 10 * 60);

/// How often it is looked whether a socket has been greeted, each time after twice the
/// pause before.
const LOOKS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The right to open one socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    pub player: PlayerId,
    /// Of the token it was asked for with: a ticket is no better than that.
    pub session: SessionId,
    pub role: Role,
    /// Epoch seconds.
    pub expires_at: i64,
}

/// An open socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    pub connection_id: String,
    pub connected_at: Timestamp,
    /// The session it was opened in, and ends with. A socket of the product's own has
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The state's version in the `initial_state` that was sent; `None` before.
    /// Frames up to it are not sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeted_seq: Option<u64>,
    /// Epoch seconds.
    pub expires_at: i64,
}

impl Store {
    /// Stores a ticket.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn put_ticket(&self, ticket_id: &str, ticket: &Ticket) -> Result<()> {
        self.put_absent(item::encode(keys::ticket(ticket_id), "ticket", ticket)?).await
    }

    /// Uses a ticket up: of any number of takers at once, one gets it at most; none,
    /// when the answer to the one is lost.
    ///
    /// The item stays, marked, until it expires: a put that takes effect only now
    /// would otherwise make the ticket good again.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn take_ticket(&self, ticket_id: &str, now: Timestamp) -> Result<Option<Ticket>> {
        let answer = self
            .client
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(keys::ticket(ticket_id).key()))
            .update_expression("SET used_at = :now")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(used_at) AND expires_at > :now",
            )
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()))
            .return_values(ReturnValue::AllNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let taken = if_condition_held(answer)?.and_then(|answer| answer.attributes);
        taken.map(item::decode).transpose()
    }

    /// Remembers an open socket: first whose it is, then that the player has it,
    /// so that a socket that is found can always be forgotten.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn connect(
        &self,
        subject: Subject,
        connection_id: &str,
        now: Timestamp,
    ) -> Result<()> {
        #[derive(Serialize)]
        struct Socket {
            player: PlayerId,
            expires_at: i64,
        }
        let player = subject.player();
        let expires_at = now.checked_add(CONNECTION_LIFE).unwrap_or(now).as_second();
        let socket = Socket { player, expires_at };
        self.put_absent(item::encode(keys::socket(connection_id), "socket", socket)?).await?;
        self.put_absent(connection_item(
            player,
            &Connection {
                connection_id: connection_id.to_owned(),
                connected_at: now,
                session: subject.session(),
                greeted_seq: None,
                expires_at,
            },
        )?)
        .await
    }

    /// Remembers which state a socket was greeted with. A socket that has gone
    /// meanwhile stays forgotten.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn greeted(&self, player: PlayerId, connection_id: &str, seq: u64) -> Result<()> {
        let answer = self
            .client
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(keys::connection(player, connection_id).key()))
            .update_expression("SET greeted_seq = :seq")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":seq", AttributeValue::N(seq.to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        done_or_needless(answer)
    }

    /// Whose socket it is.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn owner(&self, connection_id: &str) -> Result<Option<PlayerId>> {
        let found = self.get(&[keys::socket(connection_id)]).await?.pop();
        Ok(found.map(item::decode::<Owner>).transpose()?.map(|owner| owner.player))
    }

    /// Waits until a socket has been greeted, for 2.5 s at most; whether it has.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn once_greeted(&self, player: PlayerId, connection_id: &str) -> Result<bool> {
        let address = [keys::connection(player, connection_id)];
        let mut pause = FIRST_PAUSE;
        for _ in 0..LOOKS {
            let found = self.get(&address).await?.pop();
            let connection: Option<Connection> = found.map(item::decode).transpose()?;
            if connection.is_some_and(|connection| connection.greeted_seq.is_some()) {
                return Ok(true);
            }
            self.pause(pause).await;
            pause *= 2;
        }
        Ok(false)
    }

    /// The player's open sockets.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn connections(&self, player: PlayerId) -> Result<Vec<Connection>> {
        let answer = self
            .client
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(keys::player(player)))
            .expression_attribute_values(
                ":prefix",
                AttributeValue::S(keys::CONNECTION_PREFIX.to_owned()),
            )
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        answer.items.unwrap_or_default().into_iter().map(item::decode).collect()
    }

    /// Forgets a socket, and only that one.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn forget(&self, player: PlayerId, connection_id: &str) -> Result<()> {
        for address in [keys::connection(player, connection_id), keys::socket(connection_id)] {
            self.client
                .delete_item()
                .table_name(&*self.table)
                .set_key(Some(address.key()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(classify)?;
        }
        Ok(())
    }
}

fn connection_item(player: PlayerId, connection: &Connection) -> Result<Item> {
    item::encode(keys::connection(player, &connection.connection_id), "connection", connection)
}
