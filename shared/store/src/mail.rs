//! How far the mail about a journal entry is, so that an event that comes twice is
//! mailed once.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure},
};
use domain::PlayerId;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Store, boxed,
    error::{Result, if_condition_held},
    item, keys,
};

/// For longer than a stream can keep a record.
const KEPT: Duration = Duration::from_hours(400 * 24);

/// Sending takes seconds. Whoever has not said for so long how it went has died.
const STALE_AFTER: Duration = Duration::from_mins(2);

/// How far a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailProgress {
    /// Somebody is at it, or died over it.
    Sending,
    /// It was not accepted and is to be sent again.
    Unsent,
    /// It was accepted, or refused for good: nothing is left to do.
    Done,
}

/// The right to send the mail about one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailClaim {
    player: PlayerId,
    seq: u64,
    at: Timestamp,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Go on and send it.
    Yours(MailClaim),
    /// It is done.
    Done,
    /// Somebody else is at it. Ask again.
    Busy,
}

#[derive(Serialize)]
struct Mark {
    progress: MailProgress,
    /// Epoch milliseconds; with the entry, whose claim it is.
    claimed_at: i64,
    /// Epoch seconds.
    expires_at: i64,
}

impl Store {
    /// Claims the mail about an entry, before it is sent. A claim that nobody finished
    /// within two minutes is anybody's: its mail may have been sent or not, and rather
    /// comes twice than never.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn claim_mail(&self, player: PlayerId, seq: u64, now: Timestamp) -> Result<Claimed> {
        let claim = MailClaim { player, seq, at: now };
        let stale = now.checked_sub(STALE_AFTER).unwrap_or(Timestamp::MIN);
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(claim.item(MailProgress::Sending)?))
            .condition_expression(
                "attribute_not_exists(pk) OR progress = :unsent \
                 OR (progress = :sending AND claimed_at <= :stale)",
            )
            .expression_attribute_values(":unsent", AttributeValue::S("unsent".to_owned()))
            .expression_attribute_values(":sending", AttributeValue::S("sending".to_owned()))
            .expression_attribute_values(":stale", millis(stale))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let held = match answer.as_ref().map_err(|error| error.as_service_error()) {
            Err(Some(PutItemError::ConditionalCheckFailedException(failed))) => {
                failed.item().cloned().unwrap_or_default()
            }
            _ => item::Item::new(),
        };
        if if_condition_held(answer)?.is_some() {
            return Ok(Claimed::Yours(claim));
        }
        let is = |progress: &str| held.get("progress") == Some(&AttributeValue::S(progress.into()));
        Ok(if is("done") {
            Claimed::Done
        } else if is("sending") && held.get("claimed_at") == Some(&millis(now)) {
            // This very claim, of an attempt whose answer was lost.
            Claimed::Yours(claim)
        } else {
            Claimed::Busy
        })
    }

    /// Says how it went. Somebody who has claimed the mail meanwhile is not disturbed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn finish_mail(&self, claim: MailClaim, progress: MailProgress) -> Result<()> {
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(claim.item(progress)?))
            .condition_expression("claimed_at = :mine")
            .expression_attribute_values(":mine", millis(claim.at))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        if_condition_held(answer).map(drop)
    }
}

impl MailClaim {
    fn item(&self, progress: MailProgress) -> Result<item::Item> {
        let expires_at = self.at.checked_add(KEPT).unwrap_or(Timestamp::MAX).as_second();
        let mark = Mark { progress, claimed_at: self.at.as_millisecond(), expires_at };
        item::encode(keys::mail(self.player, self.seq), "mail", mark)
    }
}

fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millisecond().to_string())
}
