//! The provider itself, without HTTP.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Result;
use contract::Secret;
use domain::ReceiptId;
use runtime::{
    Clock, Entropy,
    payments::{WebhookKeys, simulated::wire},
};
use tokio::sync::Notify;

use crate::{
    agenda::{Agenda, Work},
    book::{Book, Entry, Sent},
    record::{Log, Record},
    script::{Script, State},
};

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// Until a pending payment is decided.
    pub settle: Duration,
    /// Until a payment that succeeded is refunded or charged back, if it will be.
    pub reverse: Duration,
    /// Until a notice of something is sent, and between its copies.
    pub notice: Duration,
    /// For which an answer is held back that is not to come in time.
    pub silence: Duration,
    /// Until a notice is sent again, the first time; twice as long each time after.
    pub retry: Duration,
    /// The longest of these.
    pub longest_retry: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(1_000),
            reverse: Duration::from_millis(2_000),
            notice: Duration::from_millis(300),
            silence: Duration::from_secs(30),
            retry: Duration::from_millis(500),
            longest_retry: Duration::from_secs(60),
        }
    }
}

impl Delays {
    /// Everything as soon as it can be; only an answer that is not to come does not.
    #[must_use]
    pub fn none() -> Self {
        let (settle, reverse, notice) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        Self { settle, reverse, notice, ..Self::default() }
    }
}

/// The webhook keys, shared with whoever may rotate them.
#[derive(Clone)]
pub struct Keys(Arc<RwLock<Arc<WebhookKeys>>>);

impl Keys {
    /// Signs with the active one of these.
    #[must_use]
    pub fn new(keys: WebhookKeys) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keys))))
    }

    /// From the next attempt on, signs with the active one of these.
    pub fn rotate(&self, keys: WebhookKeys) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    pub(crate) fn current(&self) -> Arc<WebhookKeys> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current().fmt(f)
    }
}

/// Why the provider does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("nobody has heard of this receipt")]
    UnknownReceipt,
    #[error("the receipt is of another order")]
    ReceiptReused,
    #[error("only a payment that succeeded can be refunded")]
    NotRefundable,
    #[error("only a payment that succeeded can be charged back")]
    NotChargeable,
    #[error("amount, currency or product cannot be")]
    InvalidOrder,
    #[error("the book cannot be written")]
    Broken,
}

pub(crate) struct Service {
    state: Mutex<Everything>,
    /// Something new is planned, or a receipt is free again.
    pub wake: Notify,
    pub keys: Keys,
    pub api_key: Secret,
    pub webhook_url: String,
    pub delays: Delays,
    pub clock: Clock,
    pub entropy: Entropy,
    pub http: reqwest::Client,
}

/// What changes.
pub(crate) struct Everything {
    pub book: Book,
    pub agenda: Agenda,
    log: Log,
}

/// A payment, and whether the charge is to be answered at all.
pub(crate) struct Charged {
    pub payment: wire::Payment,
    pub silent: bool,
}

impl Service {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Everything> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn charge(&self, charge: wire::Charge) -> Result<Charged, Refusal> {
        let wire::Charge { order, token } = charge;
        check(&order)?;
        let mut state = self.lock();
        if let Some(account) = state.book.account(order.receipt) {
            if account.order != order {
                return Err(Refusal::ReceiptReused);
            }
            return Ok(Charged { payment: account.payment(), silent: false });
        }
        let script = Script::of(token.expose());
        let silent = script.silent;
        let payment = self.open(&mut state, order, script)?;
        Ok(Charged { payment, silent })
    }

    pub(crate) fn look(&self, receipt: ReceiptId) -> Result<wire::Payment, Refusal> {
        let state = self.lock();
        let account = state.book.account(receipt).ok_or(Refusal::UnknownReceipt)?;
        Ok(account.payment())
    }

    pub(crate) fn cancel(&self, order: wire::Order) -> Result<wire::Payment, Refusal> {
        check(&order)?;
        let mut state = self.lock();
        let Some(account) = state.book.account(order.receipt) else {
            return self.open(&mut state, order, Script::never());
        };
        if account.order != order {
            return Err(Refusal::ReceiptReused);
        }
        if account.state.may_become(&State::Canceled) {
            return self.turn(&mut state, order.receipt, State::Canceled);
        }
        Ok(account.payment())
    }

    pub(crate) fn refund(&self, receipt: ReceiptId) -> Result<wire::Payment, Refusal> {
        self.reverse(receipt, State::Refunded, Refusal::NotRefundable)
    }

    pub(crate) fn charge_back(&self, receipt: ReceiptId) -> Result<wire::Payment, Refusal> {
        self.reverse(receipt, State::ChargedBack, Refusal::NotChargeable)
    }

    fn reverse(
        &self,
        receipt: ReceiptId,
        to: State,
        refusal: Refusal,
    ) -> Result<wire::Payment, Refusal> {
        let mut state = self.lock();
        let account = state.book.account(receipt).ok_or(Refusal::UnknownReceipt)?;
        if account.state == to {
            return Ok(account.payment());
        }
        if !account.state.may_become(&to) {
            return Err(refusal);
        }
        self.turn(&mut state, receipt, to)
    }

    /// What the payment's script says, if nothing came in between.
    pub(crate) fn follow_script(&self, receipt: ReceiptId) -> Result<(), Refusal> {
        let mut state = self.lock();
        let account = state.book.account(receipt).ok_or(Refusal::UnknownReceipt)?;
        match account.script.later.clone() {
            Some(later) if account.state == account.script.first => {
                self.turn(&mut state, receipt, later).map(drop)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().book.entries()
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.lock().book.deliveries().map(|delivery| delivery.sent.clone()).collect()
    }

    /// Writes down what happened.
    pub(crate) fn note(&self, state: &mut Everything, record: Record) -> Result<(), Refusal> {
        if let Err(error) = state.log.append(&record) {
            tracing::error!(%error, "the provider's book cannot be written");
            return Err(Refusal::Broken);
        }
        state.book.apply(record);
        Ok(())
    }

    /// Writes down that a notice is to be sent, and plans it.
    pub(crate) fn notify(
        &self,
        state: &mut Everything,
        payment: wire::Payment,
        copies: u32,
        then: Option<wire::Payment>,
    ) -> Result<(), Refusal> {
        let receipt = payment.order.receipt;
        let event_id = format!("evt_{}", self.random());
        let notice =
            wire::Notice { event_id: event_id.clone(), created_at: self.clock.now(), payment };
        self.note(state, Record::Noticed { notice, copies, then })?;
        self.plan(state, self.delays.notice, Work::Send(receipt, event_id));
        Ok(())
    }

    pub(crate) fn plan(&self, state: &mut Everything, after: Duration, work: Work) {
        state.agenda.plan(after, work);
        self.wake.notify_one();
    }

    /// 32 hexadecimal digits.
    pub(crate) fn random(&self) -> String {
        self.entropy.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn open(
        &self,
        state: &mut Everything,
        order: wire::Order,
        script: Script,
    ) -> Result<wire::Payment, Refusal> {
        let receipt = order.receipt;
        let id = format!("pay_{}", self.random());
        let at = self.clock.now();
        let (copies, first) = (script.copies, script.first.clone());
        let later = script.later.is_some();
        // Nobody waits for a notice of what it asked for itself.
        let told = first != State::Canceled && !script.reversed;
        self.note(state, Record::Opened { at, id, order, script })?;
        let payment = state.book.account(receipt).ok_or(Refusal::Broken)?.payment();
        if told {
            self.notify(state, payment.clone(), copies, None)?;
        }
        if later {
            self.plan(state, self.until_later(&first), Work::Move(receipt));
        }
        Ok(payment)
    }

    fn turn(
        &self,
        state: &mut Everything,
        receipt: ReceiptId,
        to: State,
    ) -> Result<wire::Payment, Refusal> {
        self.note(state, Record::Moved { at: self.clock.now(), receipt, to })?;
        let account = state.book.account(receipt).ok_or(Refusal::Broken)?;
        let (payment, script) = (account.payment(), &account.script);
        let then = script.reversed.then(|| account.payment_in(&script.first));
        let copies = script.copies;
        self.notify(state, payment.clone(), copies, then)?;
        Ok(payment)
    }

    fn until_later(&self, first: &State) -> Duration {
        if *first == State::Pending { self.delays.settle } else { self.delays.reverse }
    }

    /// Everything that an earlier process left to be done.
    fn resume(&self) {
        let mut state = self.lock();
        let moves: Vec<_> = state
            .book
            .accounts()
            .filter(|account| account.script.later.is_some())
            .filter(|account| account.state == account.script.first)
            .map(|account| (self.until_later(&account.state), account.order.receipt))
            .collect();
        let sends: Vec<_> = state
            .book
            .deliveries()
            .filter(|delivery| delivery.sent.outstanding > 0)
            .map(|delivery| &delivery.sent.notice)
            .map(|notice| (notice.payment.order.receipt, notice.event_id.clone()))
            .collect();
        for (after, receipt) in moves {
            self.plan(&mut state, after, Work::Move(receipt));
        }
        for (receipt, event_id) in sends {
            self.plan(&mut state, Duration::ZERO, Work::Send(receipt, event_id));
        }
    }
}

/// What a [`Service`] is made from.
pub(crate) struct Parts {
    pub keys: Keys,
    pub api_key: Secret,
    pub webhook_url: String,
    pub delays: Delays,
    pub clock: Clock,
    pub entropy: Entropy,
}

impl Service {
    pub(crate) fn new(
        parts: Parts,
        (log, records): (Log, Vec<Record>),
        by_itself: bool,
    ) -> Result<Self> {
        let Parts { keys, api_key, webhook_url, delays, clock, entropy } = parts;
        let mut book = Book::default();
        records.into_iter().for_each(|record| book.apply(record));
        let agenda = Agenda::new(by_itself);
        let service = Self {
            state: Mutex::new(Everything { book, agenda, log }),
            wake: Notify::new(),
            keys,
            api_key,
            webhook_url,
            delays,
            clock,
            entropy,
            // The webhook is on this machine, whatever proxy the machine is told of.
            http: reqwest::Client::builder().no_proxy().build()?,
        };
        service.resume();
        Ok(service)
    }
}

fn check(order: &wire::Order) -> Result<(), Refusal> {
    let currency = order.currency.as_bytes();
    let known = currency.len() == 3 && currency.iter().all(u8::is_ascii_uppercase);
    let named = (1..=64).contains(&order.product.len());
    if known && named && order.amount_minor > 0 { Ok(()) } else { Err(Refusal::InvalidOrder) }
}

/// For whoever shows a refusal.
impl Refusal {
    /// Its code on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownReceipt => wire::UNKNOWN_RECEIPT,
            Self::ReceiptReused => "receipt_reused",
            Self::NotRefundable => "not_refundable",
            Self::NotChargeable => "not_chargeable",
            Self::InvalidOrder => "invalid_order",
            Self::Broken => "broken",
        }
    }
}
