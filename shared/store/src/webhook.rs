//! Webhook endpoints and deliveries.

use std::cmp::Reverse;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{
    WebhookEndpointId,
    webhook::{Delivery, DeliveryId, Directory, Status},
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Store, boxed,
    error::{Result, classify, if_condition_held},
    item::{self, Item},
    keys,
    newest::Newest,
};

/// Deliveries of one shard that are looked at for one page, so that its cost is bounded
/// however few of them have the status that is asked for.
const LOOKED_AT: usize = 100;

/// A page of an endpoint's deliveries, newest first.
#[derive(Debug)]
pub struct DeliveryPage {
    pub deliveries: Vec<Delivery>,
    /// Where the page after begins: below this event. There may be one even if this
    /// page is not full.
    pub next: Option<Uuid>,
}

/// On the list of what failed; the delivery itself is elsewhere.
#[derive(Serialize, Deserialize)]
struct Listed {
    id: DeliveryId,
    /// Epoch seconds, as the delivery's.
    expires_at: i64,
}

impl Store {
    /// Every webhook endpoint, strongly consistent: an endpoint that was registered
    /// before an event is in it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn webhooks(&self) -> Result<Directory> {
        let found = self.get(&[keys::webhooks()]).await?.pop();
        Ok(found.map(item::decode).transpose()?.unwrap_or_default())
    }

    /// Stores the endpoints, unless somebody else changed one meanwhile: then `false`.
    ///
    /// For what the product does by itself; what operators do is a
    /// [`domain::Change::SaveWebhooks`].
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn save_webhooks(&self, directory: &Directory) -> Result<bool> {
        self.put_after_stored(encode_directory(directory)?, "version", directory.version).await
    }

    /// Stores a new delivery; one that is there already stays as it is.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn add_delivery(&self, delivery: &Delivery) -> Result<()> {
        self.put_absent(encode(delivery)?).await
    }

    /// The delivery as it is now; `None` when it never was, or was forgotten.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.get(&[keys::webhook_delivery(id)]).await?.pop().map(item::decode).transpose()
    }

    /// Stores the next revision of a delivery, unless somebody else came first: then
    /// `false`. One that failed is listed as such before it is: a listing skips one
    /// that has not.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn update_delivery(&self, delivery: &Delivery) -> Result<bool> {
        if delivery.status == Status::Failed {
            let listed = Listed { id: delivery.id, expires_at: delivery.expires_at };
            let address = keys::webhook_failed(delivery.id);
            self.client
                .put_item()
                .table_name(&*self.table)
                .set_item(Some(item::encode(address, "webhook_failed", listed)?))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(classify)?;
        }
        self.put_after_stored(encode(delivery)?, "revision", delivery.revision).await
    }

    async fn put_after_stored(&self, item: Item, counter: &str, count: u64) -> Result<bool> {
        let before = AttributeValue::N(count.saturating_sub(1).to_string());
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression("#counter = :before")
            .expression_attribute_names("#counter", counter)
            .expression_attribute_values(":before", before)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        Ok(if_condition_held(answer)?.is_some())
    }

    /// Up to `limit` of an endpoint's deliveries from below `before`, newest first, of
    /// one status or of any. Each shard's newest are read; what one of them was not
    /// read for ends the page, so that none is passed over.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn deliveries(
        &self,
        endpoint: WebhookEndpointId,
        status: Option<Status>,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<DeliveryPage> {
        let looked_at = if status.is_some() { LOOKED_AT } else { limit };
        let shards = (0..keys::WEBHOOK_SHARDS).map(|shard| async move {
            let pk = keys::webhook_deliveries(endpoint, shard);
            let newest = self.newest(&pk, before.as_ref(), looked_at).await?;
            let deliveries = newest.items.into_iter().map(item::decode);
            deliveries.collect::<Result<Vec<Delivery>>>().map(|shard| (shard, newest.more))
        });
        let shards = try_join_all(shards).await?;
        // Below the highest of the shards' ends there may be more.
        let end = shards.iter().filter(|(_, more)| *more);
        let end = end.filter_map(|(shard, _)| shard.last()).map(|last| last.id.event).max();
        let mut deliveries: Vec<_> = shards
            .into_iter()
            .flat_map(|(shard, _)| shard)
            .filter(|delivery| Some(delivery.id.event) >= end)
            .filter(|delivery| status.is_none_or(|status| delivery.status == status))
            .collect();
        deliveries.sort_by_key(|delivery| Reverse(delivery.id.event));
        let more = deliveries.len() > limit;
        deliveries.truncate(limit);
        let cut = deliveries.last().filter(|_| more).map(|last| last.id.event);
        Ok(DeliveryPage { deliveries, next: cut.or(end) })
    }

    /// As [`Store::deliveries`], of those that failed, from a list of their own.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn failed_deliveries(
        &self,
        endpoint: WebhookEndpointId,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<DeliveryPage> {
        let failures = keys::webhook_failures(endpoint);
        let Newest { items, more } = self.newest(&failures, before.as_ref(), limit).await?;
        let listed: Vec<Listed> = items.into_iter().map(item::decode).collect::<Result<_>>()?;
        let next = listed.last().filter(|_| more).map(|last| last.id.event);
        let addresses: Vec<_> =
            listed.iter().map(|listed| keys::webhook_delivery(listed.id)).collect();
        let found = if addresses.is_empty() { Vec::new() } else { self.get(&addresses).await? };
        let found = found.into_iter().map(item::decode).collect::<Result<Vec<Delivery>>>()?;
        let mut deliveries: Vec<_> =
            found.into_iter().filter(|delivery| delivery.status == Status::Failed).collect();
        deliveries.sort_by_key(|delivery| Reverse(delivery.id.event));
        Ok(DeliveryPage { deliveries, next })
    }
}

pub fn encode_directory(directory: &Directory) -> Result<Item> {
    item::encode(keys::webhooks(), "webhooks", directory)
}

pub fn encode(delivery: &Delivery) -> Result<Item> {
    item::encode(keys::webhook_delivery(delivery.id), "webhook_delivery", delivery)
}
