//! What the daily look at the event store says of each player.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{
    PlayerId,
    segment::{Recommendation, Scores, Segment},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Store, boxed,
    error::{Result, classify, done_or_needless},
    item, keys,
};

/// For how long it is told, if nobody looks again.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A player as they stood at `at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segmented {
    pub at: Timestamp,
    pub segment: Segment,
    pub scores: Scores,
    pub recommendations: Vec<Recommendation>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    segmented: &'a Segmented,
    /// `at` in milliseconds, to compare.
    at_ms: i64,
    expires_at: i64,
}

impl Store {
    /// What is known of the player; nothing after a week without a look.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`], [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn segmented(&self, player: PlayerId, now: Timestamp) -> Result<Option<Segmented>> {
        let answer = self
            .client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(keys::segment(player).key()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        let found: Option<Segmented> = answer.item.map(item::decode).transpose()?;
        // What is expired may lie there for days.
        Ok(found.filter(|of| now.duration_since(of.at) < KEPT))
    }

    /// Stores it, unless what is there is as new.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn save_segmented(&self, player: PlayerId, segmented: &Segmented) -> Result<()> {
        let at_ms = segmented.at.as_millisecond();
        let expires_at = segmented.at.saturating_add(KEPT).unwrap_or_default().as_second();
        let body = Body { segmented, at_ms, expires_at };
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item::encode(keys::segment(player), "segment", body)?))
            .condition_expression("attribute_not_exists(pk) OR at_ms < :at")
            .expression_attribute_values(":at", AttributeValue::N(at_ms.to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        done_or_needless(answer)
    }
}
