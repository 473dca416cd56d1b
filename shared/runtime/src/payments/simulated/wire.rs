//! What the simulated provider and its client write to each other.

use contract::Secret;
use domain::{PlayerId, ReceiptId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::{self, Standing};

/// The code of a 404: the provider never heard of the receipt.
pub const UNKNOWN_RECEIPT: &str = "unknown_receipt";

/// See [`payments::Order`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub receipt: ReceiptId,
    pub player: PlayerId,
    pub product: String,
    pub amount_minor: i64,
    pub currency: String,
}

/// See [`payments::Charge`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Charge {
    #[serde(flatten)]
    pub order: Order,
    pub token: Secret,
}

/// See [`payments::Payment`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub id: String,
    #[serde(flatten)]
    pub order: Order,
    /// As [`Standing::as_str`] has it.
    pub status: String,
    /// Of a declined one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the webhook gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub event_id: String,
    pub created_at: Timestamp,
    pub payment: Payment,
}

/// Every answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
}

/// The status is none of [`Standing`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an unknown status")]
pub struct UnknownStatus;

impl From<payments::Order> for Order {
    fn from(order: payments::Order) -> Self {
        let payments::Order { receipt, player, product, amount_minor, currency } = order;
        Self { receipt, player, product, amount_minor, currency }
    }
}

impl From<Order> for payments::Order {
    fn from(order: Order) -> Self {
        let Order { receipt, player, product, amount_minor, currency } = order;
        Self { receipt, player, product, amount_minor, currency }
    }
}

impl From<payments::Payment> for Payment {
    fn from(payment: payments::Payment) -> Self {
        let status = payment.standing.as_str().to_owned();
        let reason = match payment.standing {
            Standing::Declined { reason } => Some(reason),
            _ => None,
        };
        Self { id: payment.id, order: payment.order.into(), status, reason }
    }
}

impl TryFrom<Payment> for payments::Payment {
    type Error = UnknownStatus;

    fn try_from(payment: Payment) -> Result<Self, UnknownStatus> {
        let standing = match payment.status.as_str() {
            "pending" => Standing::Pending,
            "succeeded" => Standing::Succeeded,
            "declined" => Standing::Declined { reason: payment.reason.unwrap_or_default() },
            "canceled" => Standing::Canceled,
            "refunded" => Standing::Refunded,
            "charged_back" => Standing::ChargedBack,
            _ => return Err(UnknownStatus),
        };
        Ok(Self { id: payment.id, order: payment.order.into(), standing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDINGS: [Standing; 5] = [
        Standing::Pending,
        Standing::Succeeded,
        Standing::Canceled,
        Standing::Refunded,
        Standing::ChargedBack,
    ];

    fn payment(standing: Standing) -> payments::Payment {
        let order = payments::Order {
            receipt: ReceiptId::from_bytes([1; 16]),
            player: PlayerId::from_bytes([2; 16]),
            product: "gold_pack_s".to_owned(),
            amount_minor: 4_900,
            currency: "KRW".to_owned(),
        };
        payments::Payment { id: "pay_1".to_owned(), order, standing }
    }

    #[test]
    fn a_payment_is_written_as_documented() {
        let declined = Standing::Declined { reason: "card_declined".to_owned() };
        let json = serde_json::to_string(&Payment::from(payment(declined))).unwrap();
        assert_eq!(
            json,
            r#"{"id":"pay_1","receipt":"01010101-0101-0101-0101-010101010101","player":"02020202-0202-0202-0202-020202020202","product":"gold_pack_s","amount_minor":4900,"currency":"KRW","status":"declined","reason":"card_declined"}"#
        );
    }

    #[test]
    fn every_standing_survives_the_wire() {
        let declined = Standing::Declined { reason: "expired_card".to_owned() };
        for standing in STANDINGS.into_iter().chain([declined]) {
            let payment = payment(standing);
            let json = serde_json::to_string(&Payment::from(payment.clone())).unwrap();
            let read: Payment = serde_json::from_str(&json).unwrap();
            assert_eq!(payments::Payment::try_from(read), Ok(payment));
        }
    }
}
