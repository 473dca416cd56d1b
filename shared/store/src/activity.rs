//! What players did of late, and who is there: a few partitions of their own, so that
//! whoever asks reads only who was there lately, and nobody writes what others write.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{
    PlayerId,
    activity::{Activity, Rounds},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    bookmark::Bookmark,
    boxed,
    error::{Result, classify, done_or_needless},
    item::{self, Item},
    keys::{self, Address},
};

/// Partitions that players are spread over: one takes a thousand writes a second.
pub const SHARDS: u8 = 8;

/// For how long an item is kept: longer than anything in it counts.
const KEPT: SignedDuration = SignedDuration::from_hours(2);

/// The item. Not flattened: serde cannot read numbers as keys then.
#[derive(Serialize, Deserialize)]
struct Body {
    player: PlayerId,
    applied_seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Timestamp>,
    minutes: BTreeMap<i64, Rounds>,
    expires_at: i64,
}

impl Store {
    /// What is known of the player's last hour, strongly consistent.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`], [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn activity(&self, player: PlayerId) -> Result<Activity> {
        let answer = self
            .client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(keys::activity(player).key()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        let Some(found) = answer.item else { return Ok(Activity::default()) };
        Ok(item::decode::<Body>(found)?.read().1)
    }

    /// Stores a player's last hour, unless a later one is there already.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn save_activity(&self, player: PlayerId, activity: &Activity) -> Result<()> {
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(written(keys::activity(player), "activity", player, activity)?))
            .condition_expression("attribute_not_exists(pk) OR applied_seq < :seq")
            .expression_attribute_values(
                ":seq",
                AttributeValue::N(activity.applied_seq.to_string()),
            )
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        done_or_needless(answer)
    }

    /// Notes that the player has a socket that says that it is there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn present(&self, player: PlayerId, now: Timestamp) -> Result<()> {
        let seen = Activity { seen: Some(now), ..Activity::default() };
        self.client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(written(keys::presence(player), "presence", player, &seen)?))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        Ok(())
    }

    /// Who of a partition was there lately, and did what; a player perhaps twice. What was
    /// written in this moment may be missing.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`], [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn active(&self, shard: u8) -> Result<Vec<(PlayerId, Activity)>> {
        let mut all = Vec::new();
        let mut bookmark = Bookmark::default();
        let query = || {
            self.client
                .query()
                .table_name(&*self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(keys::active_pk(shard)))
        };
        while let Some(page) = bookmark.turn::<Body>(query()).await? {
            all.extend(page.into_iter().map(Body::read));
        }
        Ok(all)
    }
}

impl Body {
    fn read(self) -> (PlayerId, Activity) {
        let Self { player, applied_seq, seen, minutes, .. } = self;
        (player, Activity { applied_seq, seen, minutes })
    }
}

fn written(address: Address, entity: &str, player: PlayerId, of: &Activity) -> Result<Item> {
    let Activity { applied_seq, seen, minutes } = of.clone();
    let until = seen.unwrap_or_default().saturating_add(KEPT).unwrap_or_default();
    let expires_at = until.as_second();
    item::encode(address, entity, Body { player, applied_seq, seen, minutes, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_reads_back() {
        let player = PlayerId::from_bytes([1; 16]);
        let rounds = Rounds { spins: 3, big_wins: 1 };
        let activity = Activity {
            applied_seq: 7,
            seen: Some(Timestamp::constant(1_795_222_800, 0)),
            minutes: BTreeMap::from([(29_920_380, rounds)]),
        };
        let item = written(keys::activity(player), "activity", player, &activity).unwrap();
        assert_eq!(item["expires_at"], AttributeValue::N("1795230000".to_owned()));
        assert_eq!(item::decode::<Body>(item).unwrap().read(), (player, activity));
    }
}
