//! Lists whose sort keys begin with a time, from the end.

use std::fmt::Display;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use crate::{
    Store,
    error::{Result, classify},
    item::Item,
    keys,
};

/// The newest items of a partition.
pub struct Newest {
    pub items: Vec<Item>,
    /// There may be others below the last one: the limit was reached, or as many bytes
    /// as the table reads at once.
    pub more: bool,
}

impl Store {
    /// Up to `limit` items of a partition whose sort keys are below `before`, the
    /// highest first, strongly consistent.
    pub(crate) async fn newest(
        &self,
        pk: &str,
        before: Option<impl Display>,
        limit: usize,
    ) -> Result<Newest> {
        let before = before.map_or_else(|| keys::AFTER_ALL.to_owned(), |before| before.to_string());
        let answer = self
            .client
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND sk < :before")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":before", AttributeValue::S(before))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        let more = answer.last_evaluated_key.is_some();
        Ok(Newest { items: answer.items.unwrap_or_default(), more })
    }
}
