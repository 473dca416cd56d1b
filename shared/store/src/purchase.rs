//! Purchases and what is remembered of the payment provider's notices.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{Entry, Fact, PlayerId, ReceiptId, purchase::Purchase};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Found, Needs, Store, Subject,
    bookmark::Bookmark,
    boxed,
    error::{Error, Result, done_or_needless, if_condition_held},
    item, keys,
    needs::HeardNotice,
};

/// Partitions that open purchases are spread over.
pub const DUE_SHARDS: u8 = 8;

/// For how long a nonce is remembered: what bears an older one is refused for its time.
const NONCE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The partition of an open purchase: the last byte of its receipt, which is random.
pub fn due_shard(receipt: ReceiptId) -> u8 {
    receipt.uuid().as_bytes()[15] % DUE_SHARDS
}

/// An open purchase whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    pub player: PlayerId,
    pub receipt: ReceiptId,
}

impl Store {
    /// What there is of what is needed, as it is now: to be looked at again within the
    /// command that relies on it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn find(&self, player: PlayerId, needs: &Needs) -> Result<Found> {
        let addresses: Vec<_> = needs.addresses(player).collect();
        let mut found = Found::default();
        for item in self.get(&addresses).await? {
            found.add(item)?;
        }
        Ok(found)
    }

    /// As [`Store::find`], for a subject who must still be who the token says.
    ///
    /// # Errors
    /// As [`Store::player`].
    #[boxed]
    pub async fn find_for(&self, subject: Subject, needs: &Needs) -> Result<Found> {
        let id = subject.player();
        let (mut found, mut state) = (Found::default(), None);
        let addresses: Vec<_> = [keys::state(id)].into_iter().chain(needs.addresses(id)).collect();
        for item in self.get(&addresses).await? {
            match item::sk(&item) {
                Some(keys::STATE) => state = Some(item::decode_state(item)?),
                _ => found.add(item)?,
            }
        }
        subject.admit(&state.ok_or(Error::PlayerNotFound(id))?)?;
        Ok(found)
    }

    /// A purchase of the player's.
    ///
    /// # Errors
    /// As [`Store::player`].
    #[boxed]
    pub async fn purchase(&self, subject: Subject, receipt: ReceiptId) -> Result<Option<Purchase>> {
        Ok(self.find_for(subject, &Needs::default().purchase(receipt)).await?.purchase)
    }

    /// The entry of a purchase that was over at once, by the receipt that names it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn purchase_entry(&self, id: PlayerId, receipt: ReceiptId) -> Result<Option<Entry>> {
        let found = self.get(&[keys::entry(id, receipt.entry())]).await?.pop();
        let entry = found.map(item::decode_entry).transpose()?;
        Ok(entry.filter(
            |entry| matches!(entry.fact, Fact::ItemPurchased { receipt: of, .. } if of == receipt),
        ))
    }

    /// Up to `limit` purchases of the player's that have a life of their own, newest
    /// first, from those before `receipt` on.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn purchases(
        &self,
        id: PlayerId,
        before: Option<ReceiptId>,
        limit: i32,
    ) -> Result<Vec<Purchase>> {
        let to = before.map_or_else(
            || keys::AFTER_PURCHASES.to_owned(),
            |receipt| keys::purchase(id, receipt).sk,
        );
        // BETWEEN includes its ends, so one more is read where there is an end.
        let more = i32::from(before.is_some());
        let (items, _) =
            self.page(id, keys::PURCHASE_PREFIX, &to, false, limit + more, None).await?;
        let mut purchases: Vec<Purchase> =
            items.into_iter().map(item::decode).collect::<Result<_>>()?;
        purchases.retain(|purchase| Some(purchase.receipt) != before);
        purchases.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(purchases)
    }

    /// The next page of the open purchases of a partition whose time has come at `now`,
    /// those that wait longest first; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        bookmark: &mut Bookmark,
    ) -> Result<Option<Vec<Due>>> {
        let query = self
            .client
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND sk < :now")
            .expression_attribute_values(":pk", AttributeValue::S(keys::due_pk(shard)))
            .expression_attribute_values(":now", AttributeValue::S(keys::due_sk(now)))
            .consistent_read(true);
        bookmark.turn(query).await
    }

    /// Uses a nonce up; false if it was used before.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn use_nonce(&self, kid: &str, nonce: &str, now: Timestamp) -> Result<bool> {
        #[derive(Serialize)]
        struct Used {
            /// Epoch seconds.
            expires_at: i64,
        }
        let expires_at = now.checked_add(NONCE_LIFE).unwrap_or(now).as_second();
        let used = item::encode(keys::nonce(kid, nonce), "nonce", Used { expires_at })?;
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(used))
            .condition_expression("attribute_not_exists(pk) OR expires_at <= :now")
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        Ok(if_condition_held(answer)?.is_some())
    }

    /// Remembers a notice that changed nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn remember_notice(&self, event_id: &str, body_hash: &str) -> Result<()> {
        let heard = HeardNotice { body_hash: body_hash.to_owned() };
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item::encode(keys::notice(event_id), "notice", heard)?))
            .condition_expression("attribute_not_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        done_or_needless(answer)
    }
}
