//! Lists that are read page by page.

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder, types::ReturnConsumedCapacity,
};
use serde::de::DeserializeOwned;

use crate::{
    error::{Result, classify},
    item::{self, Item},
};

/// How far a list has been read; a new one is at its beginning.
#[derive(Default)]
pub struct Bookmark(Place);

#[derive(Default)]
enum Place {
    #[default]
    Beginning,
    After(Item),
    End,
}

impl Bookmark {
    /// The next page of what `query` asks for; `None` after the last, without a call. A page
    /// that cannot be read stays the next one.
    pub(crate) async fn turn<T: DeserializeOwned>(
        &mut self,
        query: QueryFluentBuilder,
    ) -> Result<Option<Vec<T>>> {
        let from = match &self.0 {
            Place::Beginning => None,
            Place::After(last) => Some(last.clone()),
            Place::End => return Ok(None),
        };
        let answer = query
            .set_exclusive_start_key(from)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        let found = answer.items.unwrap_or_default().into_iter().map(item::decode);
        let page = found.collect::<Result<Vec<T>>>()?;
        self.0 = answer.last_evaluated_key.map_or(Place::End, Place::After);
        Ok(Some(page))
    }
}
