//! The shop's part of a transaction: purchases, stock, caps and promo codes.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::{
    PlayerId, ReceiptId, Rejection,
    limited::{Package, Promo},
    purchase::{Purchase, Status, Taken},
};
use jiff::Timestamp;

use super::{Purpose, build};
use crate::{
    Store,
    error::{Error, Result},
    item,
    keys::{self, Address},
    limited::StoredShard,
    needs::HeardNotice,
    purchase::{Due, due_shard},
};

type Part = (Purpose, TransactWriteItem);

impl Store {
    pub(super) fn begin_purchase(&self, purchase: &Purchase) -> Result<Part> {
        let address = keys::purchase(purchase.player, purchase.receipt);
        Ok((Purpose::Version, self.put_new(item::encode(address, "purchase", purchase)?)?))
    }

    pub(super) fn advance_purchase(&self, from: Status, purchase: &Purchase) -> Result<Part> {
        let address = keys::purchase(purchase.player, purchase.receipt);
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item::encode(address, "purchase", purchase)?))
            .condition_expression("#status = :from")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":from", AttributeValue::S(from.as_str().to_owned()));
        Ok((Purpose::Version, build(put)?))
    }

    pub(super) fn watch(
        &self,
        player: PlayerId,
        receipt: ReceiptId,
        due_at: Timestamp,
    ) -> Result<Part> {
        let address = keys::due(due_shard(receipt), due_at, receipt);
        Ok((Purpose::Free, self.put(item::encode(address, "due", Due { player, receipt })?)?))
    }

    pub(super) fn unwatch(&self, receipt: ReceiptId, due_at: Timestamp) -> Result<Part> {
        let address = keys::due(due_shard(receipt), due_at, receipt);
        Ok((Purpose::Free, self.delete(&address)?))
    }

    pub(super) fn note_notice(&self, event_id: &str, body_hash: &str) -> Result<Part> {
        let heard = HeardNotice { body_hash: body_hash.to_owned() };
        let item = item::encode(keys::notice(event_id), "notice", heard)?;
        Ok((Purpose::Version, self.put_new(item)?))
    }

    /// The package, then each shard of its stock.
    pub(super) fn offer_package(&self, package: &Package) -> Result<Vec<Part>> {
        let item = item::encode(keys::package(&package.code), "package", package)?;
        let exists = || Purpose::Rule(Rejection::PackageExists);
        let mut parts = vec![(exists(), self.put_new(item)?)];
        for shard in package.spread() {
            let address = keys::stock(&package.code, shard.shard);
            let stored = StoredShard { package: package.code.clone(), shard };
            parts.push((exists(), self.put_new(item::encode(address, "stock", stored)?)?));
        }
        Ok(parts)
    }

    pub(super) fn issue_promo(&self, promo: &Promo) -> Result<Part> {
        let address = keys::promo(&promo.package, &promo.code);
        let purpose = Purpose::Rule(Rejection::PromoCodeExists);
        Ok((purpose, self.put_new(item::encode(address, "promo", promo)?)?))
    }

    /// Of two who take the last, one looks again and finds it gone.
    pub(super) fn take_stock(&self, package: &str, taken: Taken, sold: bool) -> Result<Part> {
        let into = if sold { "sold" } else { "held" };
        let update = self.moved(package, taken, "free", into)?;
        Ok((Purpose::Version, update))
    }

    /// What is held is there: the purchase that holds it is a condition of the same
    /// transaction.
    pub(super) fn settle_stock(&self, package: &str, taken: Taken, sold: bool) -> Result<Part> {
        let into = if sold { "sold" } else { "free" };
        Ok((Purpose::Version, self.moved(package, taken, "held", into)?))
    }

    /// Moves units of a shard from one heap to another, if they are there.
    fn moved(
        &self,
        package: &str,
        Taken { shard, units }: Taken,
        from: &str,
        into: &str,
    ) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .update_expression("SET #from = #from - :units, #into = #into + :units")
            .condition_expression("#from >= :units")
            .expression_attribute_names("#from", from)
            .expression_attribute_names("#into", into)
            .expression_attribute_values(":units", number(units));
        self.update(&keys::stock(package, shard), update)
    }

    pub(super) fn count_towards_cap(
        &self,
        player: PlayerId,
        package: &str,
        units: u32,
        cap: u32,
    ) -> Result<Part> {
        let address = keys::cap(player, package);
        let update = Update::builder()
            .update_expression(
                "SET units = if_not_exists(units, :none) + :units, \
                 entity = :entity, #schema = :schema, package = :package",
            )
            .condition_expression("attribute_not_exists(pk) OR units <= :room")
            .expression_attribute_names("#schema", "schema")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":units", number(units))
            .expression_attribute_values(":room", number(cap.saturating_sub(units)))
            .expression_attribute_values(":entity", AttributeValue::S("cap".to_owned()))
            .expression_attribute_values(":schema", number(item::SCHEMA.into()))
            .expression_attribute_values(":package", AttributeValue::S(package.to_owned()));
        Ok((Purpose::Rule(Rejection::CapReached { cap }), self.update(&address, update)?))
    }

    pub(super) fn discount_from_cap(
        &self,
        player: PlayerId,
        package: &str,
        units: u32,
    ) -> Result<Part> {
        let update = Update::builder()
            .update_expression("SET units = units - :units")
            .condition_expression("units >= :units")
            .expression_attribute_values(":units", number(units));
        Ok((Purpose::Version, self.update(&keys::cap(player, package), update)?))
    }

    pub(super) fn use_promo(&self, package: &str, code: &str) -> Result<Part> {
        let update = Update::builder()
            .update_expression("SET uses_left = uses_left - :one")
            .condition_expression("uses_left >= :one")
            .expression_attribute_values(":one", number(1));
        let update = self.update(&keys::promo(package, code), update)?;
        Ok((Purpose::Rule(Rejection::InvalidPromoCode), update))
    }

    pub(super) fn return_promo(&self, package: &str, code: &str) -> Result<Part> {
        let update = Update::builder()
            .update_expression("SET uses_left = uses_left + :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":one", number(1));
        Ok((Purpose::Version, self.update(&keys::promo(package, code), update)?))
    }

    pub(super) fn update(
        &self,
        address: &Address,
        update: aws_sdk_dynamodb::types::builders::UpdateBuilder,
    ) -> Result<TransactWriteItem> {
        let update = update
            .table_name(&*self.table)
            .set_key(Some(address.key()))
            .build()
            .map_err(|error| Error::Refused(Box::new(error)))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

fn number(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
