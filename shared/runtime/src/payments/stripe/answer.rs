//! Stripe's objects, as far as we read them, and what they mean.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use domain::ReceiptId;
use serde::Deserialize;

use crate::payments::{Order, ProviderError, Standing};

/// A PaymentIntent.
#[derive(Deserialize)]
pub(super) struct Intent {
    pub id: String,
    amount: i64,
    /// In small letters.
    currency: String,
    status: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    last_payment_error: Option<LastError>,
    latest_charge: Option<Expandable<LatestCharge>>,
}

#[derive(Deserialize)]
struct LastError {
    code: Option<String>,
    decline_code: Option<String>,
}

/// Its id, or the object itself if that was asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expandable<T> {
    Id(#[expect(dead_code, reason = "what tells it from an object")] String),
    Object(T),
}

#[derive(Deserialize)]
struct LatestCharge {
    /// All of it.
    refunded: bool,
    /// Now or ever.
    disputed: bool,
}

/// A page of them.
#[derive(Deserialize)]
pub(super) struct Intents {
    data: Vec<Intent>,
    has_more: bool,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    status: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Disputes {
    pub data: Vec<Dispute>,
}

#[derive(Deserialize)]
pub(super) struct Dispute {
    status: String,
}

/// An answer that is no success.
pub(super) struct Failure {
    pub status: u16,
    pub error: Error,
}

/// Its `error`. Not its message, which may quote what we sent.
#[derive(Default, Deserialize)]
pub(super) struct Error {
    #[serde(default, rename = "type")]
    kind: String,
    code: Option<String>,
    param: Option<String>,
    /// The intent that the request was about, if it came to that.
    pub payment_intent: Option<Box<Intent>>,
}

impl Intent {
    /// What was ordered; `None` if somebody else made the intent.
    pub(super) fn order(&self) -> Option<Order> {
        Some(Order {
            receipt: self.metadata.get("receipt")?.parse().ok()?,
            player: self.metadata.get("player")?.parse().ok()?,
            product: self.metadata.get("product")?.clone(),
            amount_minor: self.amount,
            currency: self.currency.to_ascii_uppercase(),
        })
    }

    /// `None`: a status that we do not know.
    pub(super) fn standing(&self, lost_to_a_dispute: bool) -> Option<Standing> {
        Some(match self.status.as_str() {
            "succeeded" if self.is_refunded() => Standing::Refunded,
            "succeeded" if lost_to_a_dispute => Standing::ChargedBack,
            "succeeded" => Standing::Succeeded,
            "canceled" => self.declined().map_or(Standing::Canceled, declined),
            // The state before the first attempt, and again after one that failed.
            "requires_payment_method" => self.declined().map_or(Standing::Pending, declined),
            "processing" | "requires_action" | "requires_confirmation" | "requires_capture" => {
                Standing::Pending
            }
            _ => return None,
        })
    }

    /// Why it was declined, if it was.
    pub(super) fn declined(&self) -> Option<&str> {
        if let Some(reason) = self.metadata.get("declined") {
            return Some(reason);
        }
        let error = self.last_payment_error.as_ref()?;
        Some(error.decline_code.as_deref().or(error.code.as_deref()).unwrap_or("declined"))
    }

    /// Nothing is under way, and another attempt would be possible.
    pub(super) fn is_open(&self) -> bool {
        self.status == "requires_payment_method"
    }

    /// It stays as it is, refunds and disputes aside.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "canceled")
    }

    pub(super) fn is_disputed(&self) -> bool {
        self.charge().is_some_and(|charge| charge.disputed)
    }

    fn is_refunded(&self) -> bool {
        self.charge().is_some_and(|charge| charge.refunded)
    }

    fn charge(&self) -> Option<&LatestCharge> {
        match self.latest_charge.as_ref()? {
            Expandable::Object(charge) => Some(charge),
            Expandable::Id(_) => None,
        }
    }
}

fn declined(reason: &str) -> Standing {
    Standing::Declined { reason: reason.to_owned() }
}

impl Intents {
    /// The id of the purchase's intent, if it is among them.
    pub(super) fn of(&self, receipt: ReceiptId) -> Option<String> {
        let receipt = receipt.to_string();
        let found =
            self.data.iter().find(|intent| intent.metadata.get("receipt") == Some(&receipt));
        found.map(|intent| intent.id.clone())
    }

    /// The id that the next page begins after.
    pub(super) fn next(&self) -> Option<String> {
        let last = self.data.last().filter(|_| self.has_more);
        last.map(|intent| intent.id.clone())
    }
}

impl Refund {
    /// The money is back or will be. A refund has no status for means of payment that
    /// have none to tell.
    pub(super) fn on_its_way(&self) -> bool {
        !matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }
}

impl Dispute {
    /// `warning_…` are inquiries, which take nothing; a `prevented` one was refunded.
    pub(super) fn holds_the_money(&self) -> bool {
        matches!(self.status.as_str(), "needs_response" | "under_review" | "lost")
    }
}

impl Failure {
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Shape {
            error: Error,
        }
        let shape: Option<Shape> = serde_json::from_slice(body).ok();
        let error = shape.map(|shape| shape.error).unwrap_or_default();
        Self { status: status.as_u16(), error }
    }

    pub(super) fn code(&self) -> &str {
        self.error.code.as_deref().unwrap_or(&self.error.kind)
    }

    /// The idempotency key was used for something else, before.
    pub(super) fn of_the_key(&self) -> bool {
        self.status == 400 && self.error.kind == "idempotency_error"
    }

    /// The token is none, or cannot be used here.
    pub(super) fn of_the_token(&self) -> bool {
        let named = self.error.param.as_deref() == Some("payment_method");
        let meant = self.code().starts_with("payment_method_");
        self.status == 400 && self.error.payment_intent.is_none() && (named || meant)
    }

    pub(super) fn into_error(self) -> ProviderError {
        let (status, code) = (self.status, self.code().to_owned());
        match status {
            // 409: the same key is being worked on. 424: somebody Stripe depends on.
            409 | 424 | 429 | 500.. => ProviderError::Busy { status, code },
            _ => ProviderError::Refused { status, code },
        }
    }
}
