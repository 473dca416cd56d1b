//! Limited packages and their stock.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{
    PlayerId,
    limited::{Package, Shard},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store, boxed,
    error::{Result, classify},
    item, keys,
};

/// Keys of one `BatchGetItem`.
const BATCH: usize = 100;

/// A shard as it lies in the table.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredShard {
    pub package: String,
    #[serde(flatten)]
    pub shard: Shard,
}

#[derive(Deserialize)]
struct StoredCap {
    package: String,
    units: u32,
}

impl Store {
    /// Every limited package there is, by code.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn packages(&self) -> Result<Vec<Package>> {
        let mut packages = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&*self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(keys::LIMITED.to_owned()))
                .set_exclusive_start_key(start)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(classify)?;
            for found in answer.items.unwrap_or_default() {
                packages.push(item::decode(found)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(packages);
            }
        }
    }

    /// What is left and what is gone of each of the packages, and how many of them
    /// count against the player's cap, by code.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn stocks(
        &self,
        player: PlayerId,
        packages: &[Package],
    ) -> Result<(BTreeMap<String, Vec<Shard>>, BTreeMap<String, u32>)> {
        let addresses: Vec<_> = packages
            .iter()
            .flat_map(|package| {
                let stock = (0..package.shards).map(|shard| keys::stock(&package.code, shard));
                stock.chain([keys::cap(player, &package.code)])
            })
            .collect();
        let mut stocks: BTreeMap<String, Vec<Shard>> = BTreeMap::new();
        let mut caps = BTreeMap::new();
        for addresses in addresses.chunks(BATCH) {
            for found in self.get(addresses).await? {
                if item::entity(&found) == Some("stock") {
                    let StoredShard { package, shard } = item::decode(found)?;
                    stocks.entry(package).or_default().push(shard);
                } else {
                    let StoredCap { package, units } = item::decode(found)?;
                    caps.insert(package, units);
                }
            }
        }
        Ok((stocks, caps))
    }
}
