//! What the provider believes: payments, their histories, and its notices.

use std::collections::BTreeMap;

use domain::ReceiptId;
use jiff::Timestamp;
use runtime::payments::{self, Payment, simulated::wire};
use serde::{Deserialize, Serialize};

use crate::{
    record::Record,
    script::{Script, State},
};

/// One payment with all it went through, as `GET /v1/book` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub payment: wire::Payment,
    /// From its first state to its present one.
    pub history: Vec<Change>,
}

/// One step of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub at: Timestamp,
    pub status: String,
}

/// A notice and what became of it, as `GET /v1/notices` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    #[serde(flatten)]
    pub notice: wire::Notice,
    /// How often it is still to be acknowledged.
    pub outstanding: u32,
    pub attempts: Vec<Attempt>,
}

/// One try at delivering a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub at: Timestamp,
    /// The webhook's answer; `None`: there was none.
    pub status: Option<u16>,
}

impl Attempt {
    fn acknowledged(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// A payment, by the order's receipt.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub id: String,
    pub order: wire::Order,
    pub state: State,
    pub script: Script,
    pub history: Vec<Change>,
}

/// A notice.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub sent: Sent,
    /// An older state of the payment, to be told of once this notice is through.
    pub then: Option<wire::Payment>,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    accounts: BTreeMap<ReceiptId, Account>,
    /// In the order in which they were written.
    deliveries: Vec<Delivery>,
    by_event: BTreeMap<String, usize>,
}

impl Account {
    pub(crate) fn payment(&self) -> wire::Payment {
        self.payment_in(&self.state)
    }

    pub(crate) fn payment_in(&self, state: &State) -> wire::Payment {
        let order: payments::Order = self.order.clone().into();
        Payment { id: self.id.clone(), order, standing: state.standing() }.into()
    }
}

impl Delivery {
    /// How often in a row it failed, lately.
    pub(crate) fn failures(&self) -> u32 {
        let failed = self.sent.attempts.iter().rev().take_while(|attempt| !attempt.acknowledged());
        u32::try_from(failed.count()).unwrap_or(u32::MAX)
    }
}

impl Book {
    /// The one way in which the book changes.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Opened { at, id, order, script } => {
                let state = script.first.clone();
                let history = vec![change(at, &state)];
                let receipt = order.receipt;
                self.accounts.insert(receipt, Account { id, order, state, script, history });
            }
            Record::Moved { at, receipt, to } => {
                if let Some(account) = self.accounts.get_mut(&receipt) {
                    account.history.push(change(at, &to));
                    account.state = to;
                }
            }
            Record::Noticed { notice, copies, then } => {
                self.by_event.insert(notice.event_id.clone(), self.deliveries.len());
                let sent = Sent { notice, outstanding: copies, attempts: Vec::new() };
                self.deliveries.push(Delivery { sent, then });
            }
            Record::Attempted { at, event_id, status } => {
                let Some(&index) = self.by_event.get(&event_id) else { return };
                let sent = &mut self.deliveries[index].sent;
                let attempt = Attempt { at, status };
                if attempt.acknowledged() {
                    sent.outstanding = sent.outstanding.saturating_sub(1);
                }
                sent.attempts.push(attempt);
            }
        }
    }

    pub(crate) fn account(&self, receipt: ReceiptId) -> Option<&Account> {
        self.accounts.get(&receipt)
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    pub(crate) fn delivery(&self, event_id: &str) -> Option<&Delivery> {
        self.by_event.get(event_id).map(|&index| &self.deliveries[index])
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter()
    }

    /// Everything, by receipt.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let entry = |account: &Account| Entry {
            payment: account.payment(),
            history: account.history.clone(),
        };
        self.accounts().map(entry).collect()
    }
}

fn change(at: Timestamp, state: &State) -> Change {
    Change { at, status: state.standing().as_str().to_owned() }
}
