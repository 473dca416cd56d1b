//! Stripe's events.
//!
//! An event carries its object as it was. For an intent that is all we need. What is
//! said of a charge or a dispute does not name the purchase, and comes in any order
//! (a dispute's end may arrive before its beginning), so there the intent is read
//! anew, and the notice is about the payment as it is now.

use serde::Deserialize;
use serde_json::Value;

use super::{Stripe, answer::Intent};
use crate::payments::{Notice, NoticeError, Payment, ProviderError};

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// A charge or a dispute.
#[derive(Deserialize)]
struct AboutIntent {
    payment_intent: Option<String>,
}

impl Stripe {
    /// Reads an event whose signature was right.
    pub(in crate::payments) async fn notice(&self, body: &[u8]) -> Result<Notice, NoticeError> {
        let Event { id, kind, data } =
            serde_json::from_slice(body).map_err(|_| NoticeError::Unreadable("not an event"))?;
        let payment = match kind.as_str() {
            "payment_intent.succeeded"
            | "payment_intent.payment_failed"
            | "payment_intent.processing"
            | "payment_intent.canceled" => as_it_was(data.object)?,
            "charge.refunded" | "charge.dispute.created" | "charge.dispute.closed" => {
                self.as_it_is(data.object).await?
            }
            // We did not ask for it. It is acknowledged, or Stripe would go on sending.
            _ => None,
        };
        Ok(Notice { event_id: id, nonce: None, payment })
    }

    async fn as_it_is(&self, object: Value) -> Result<Option<Payment>, NoticeError> {
        let about: AboutIntent = serde_json::from_value(object)
            .map_err(|_| NoticeError::Unreadable("not a charge or dispute"))?;
        // A charge without an intent is none of ours.
        let Some(id) = about.payment_intent.filter(|id| is_id(id)) else { return Ok(None) };
        let found = async {
            let intent = self.intent(&id).await?;
            match intent.order() {
                Some(_) => self.payment(intent).await.map(Some),
                None => Ok(None),
            }
        };
        found.await.map_err(|error: ProviderError| NoticeError::Unresolved(error))
    }
}

fn as_it_was(object: Value) -> Result<Option<Payment>, NoticeError> {
    let intent: Intent = serde_json::from_value(object)
        .map_err(|_| NoticeError::Unreadable("not a payment intent"))?;
    let Some(order) = intent.order() else { return Ok(None) };
    let standing = intent.standing(false);
    let standing = standing.ok_or(NoticeError::Unreadable("an unknown status"))?;
    Ok(Some(Payment { id: intent.id, order, standing }))
}

/// It becomes part of an address.
fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=255).contains(&text.len()) && text.bytes().all(plain)
}
