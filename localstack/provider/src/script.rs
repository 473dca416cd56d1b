//! What a token makes of a charge.

use runtime::payments::Standing;
use serde::{Deserialize, Serialize};

/// How often a notice is sent that is sent more than once.
const COPIES: u32 = 3;

/// The course of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Script {
    pub first: State,
    /// What it turns to by itself, if it is still in its first state then.
    pub later: Option<State>,
    /// The answer to the charge is held back.
    pub silent: bool,
    /// How often each notice is sent and acknowledged before it is done with.
    pub copies: u32,
    /// The notice of the first state is sent after that of the later one.
    pub reversed: bool,
}

/// A [`Standing`] that can be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Succeeded,
    Declined { reason: String },
    Canceled,
    Refunded,
    ChargedBack,
}

impl Script {
    pub(crate) fn of(token: &str) -> Self {
        let declined = |reason: &str| State::Declined { reason: reason.to_owned() };
        let (first, later) = match token {
            "tok_ok" | "tok_timeout" | "tok_duplicate" => (State::Succeeded, None),
            "tok_declined" => (declined("card_declined"), None),
            "tok_pending_ok" | "tok_out_of_order" => (State::Pending, Some(State::Succeeded)),
            "tok_pending_declined" => (State::Pending, Some(declined("card_declined"))),
            "tok_refund" => (State::Succeeded, Some(State::Refunded)),
            "tok_chargeback" => (State::Succeeded, Some(State::ChargedBack)),
            _ => (declined("invalid_token"), None),
        };
        Self {
            first,
            later,
            silent: token == "tok_timeout",
            copies: if token == "tok_duplicate" { COPIES } else { 1 },
            reversed: token == "tok_out_of_order",
        }
    }

    /// Of a payment that was called off before it came.
    pub(crate) fn never() -> Self {
        Self { first: State::Canceled, later: None, silent: false, copies: 1, reversed: false }
    }
}

impl State {
    /// Whether money can move this way.
    pub(crate) fn may_become(&self, next: &Self) -> bool {
        match self {
            Self::Pending => {
                matches!(next, Self::Succeeded | Self::Declined { .. } | Self::Canceled)
            }
            Self::Succeeded => matches!(next, Self::Refunded | Self::ChargedBack),
            Self::Declined { .. } | Self::Canceled | Self::Refunded | Self::ChargedBack => false,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.clone() {
            Self::Pending => Standing::Pending,
            Self::Succeeded => Standing::Succeeded,
            Self::Declined { reason } => Standing::Declined { reason },
            Self::Canceled => Standing::Canceled,
            Self::Refunded => Standing::Refunded,
            Self::ChargedBack => Standing::ChargedBack,
        }
    }
}
