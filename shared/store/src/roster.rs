//! All players, for scheduled work: a few partitions of their own, so that
//! nobody scans the journal.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::PlayerId;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    Store,
    bookmark::Bookmark,
    boxed,
    error::Result,
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

impl Store {
    /// The next page of the players of a partition; `None` after the last.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn roster(
        &self,
        shard: u8,
        bookmark: &mut Bookmark,
    ) -> Result<Option<Vec<PlayerId>>> {
        self.listed(keys::roster_pk(shard), bookmark).await
    }

    /// The next page of those who left a partition within the last month; `None` after the
    /// last.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn departed(
        &self,
        shard: u8,
        bookmark: &mut Bookmark,
    ) -> Result<Option<Vec<PlayerId>>> {
        self.listed(keys::departed_pk(shard), bookmark).await
    }

    async fn listed(&self, pk: String, bookmark: &mut Bookmark) -> Result<Option<Vec<PlayerId>>> {
        let query = self
            .client
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk));
        let page = bookmark.turn::<Owner>(query).await?;
        Ok(page.map(|owners| owners.into_iter().map(|owner| owner.player).collect()))
    }
}
