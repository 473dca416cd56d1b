//! All players, for scheduled work: a few partitions of their own, so that
//! nobody scans the journal.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::PlayerId;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    Store, boxed,
    error::{Result, classify},
    item::{self, Item, Owner},
    keys,
};

/// Partitions the roster is spread over.
pub const SHARDS: u8 = 16;

/// The partition of a player: the last byte of the id, which is random.
pub fn shard(player: PlayerId) -> u8 {
    player.uuid().as_bytes()[15] % SHARDS
}

/// For how long who was erased is still found: longer than anything of theirs may wait to
/// be published.
const DEPARTED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The item of who leaves the roster at `at`.
pub fn departed(player: PlayerId, at: Timestamp) -> Result<Item> {
    #[derive(Serialize)]
    struct Departed {
        player: PlayerId,
        expires_at: i64,
    }
    let expires_at = at.saturating_add(DEPARTED).unwrap_or(at).as_second();
    let address = keys::departed(shard(player), player);
    item::encode(address, "departed", Departed { player, expires_at })
}

/// Where a page ended.
pub struct Bookmark(pub(crate) Item);

impl Store {
    /// A page of the players of a partition, and where to go on.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn roster(
        &self,
        shard: u8,
        from: Option<Bookmark>,
    ) -> Result<(Vec<PlayerId>, Option<Bookmark>)> {
        self.listed(keys::roster_pk(shard), from).await
    }

    /// A page of those who left a partition within the last month, and where to go on.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn departed(
        &self,
        shard: u8,
        from: Option<Bookmark>,
    ) -> Result<(Vec<PlayerId>, Option<Bookmark>)> {
        self.listed(keys::departed_pk(shard), from).await
    }

    async fn listed(
        &self,
        pk: String,
        from: Option<Bookmark>,
    ) -> Result<(Vec<PlayerId>, Option<Bookmark>)> {
        let answer = self
            .client
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .set_exclusive_start_key(from.map(|Bookmark(key)| key))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        let players = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|found| item::decode::<Owner>(found).map(|owner| owner.player))
            .collect::<Result<_>>()?;
        Ok((players, answer.last_evaluated_key.map(Bookmark)))
    }
}
