//! What is to be done when.
//!
//! Due times are on a stopwatch that begins with the process and that
//! `POST /v1/advance` puts forward. It has nothing to do with the clock, which only
//! dates what happens: a test may stop that.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::ReceiptId;
use tokio::time::Instant;

/// Something to be done about a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Its payment turns to what its script says.
    Move(ReceiptId),
    /// The notice with this event id is sent.
    Send(ReceiptId, String),
}

impl Work {
    pub(crate) fn receipt(&self) -> ReceiptId {
        match self {
            Self::Move(receipt) | Self::Send(receipt, _) => *receipt,
        }
    }
}

pub(crate) struct Agenda {
    /// `None`: time passes only when somebody says so.
    started: Option<Instant>,
    skipped: Duration,
    /// The number keeps what is due at once in its order.
    planned: BTreeMap<(Duration, u64), Work>,
    next: u64,
    /// Receipts that something is being done about. Each is dealt with in order.
    busy: BTreeSet<ReceiptId>,
}

impl Agenda {
    pub(crate) fn new(by_itself: bool) -> Self {
        let started = by_itself.then(Instant::now);
        let (planned, busy) = (BTreeMap::new(), BTreeSet::new());
        Self { started, skipped: Duration::ZERO, planned, next: 0, busy }
    }

    pub(crate) fn now(&self) -> Duration {
        self.skipped + self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    pub(crate) fn plan(&mut self, after: Duration, work: Work) {
        self.planned.insert((self.now() + after, self.next), work);
        self.next += 1;
    }

    /// How long until the next work that can be begun; `None`: there is none.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let mut free = self.planned.iter().filter(|(_, work)| !self.busy.contains(&work.receipt()));
        free.next().map(|((due, _), _)| due.saturating_sub(self.now()))
    }

    /// The first work that is due by `by` and about no busy receipt, which is busy
    /// from now on until it is [`done`](Self::done).
    pub(crate) fn begin(&mut self, by: Duration) -> Option<Work> {
        let due = self.planned.iter().take_while(|((due, _), _)| *due <= by);
        let mut free = due.filter(|(_, work)| !self.busy.contains(&work.receipt()));
        let at = *free.next()?.0;
        let work = self.planned.remove(&at)?;
        // What follows from it is planned from then on.
        self.put_forward_to(at.0);
        self.busy.insert(work.receipt());
        Some(work)
    }

    pub(crate) fn done(&mut self, work: &Work) {
        self.busy.remove(&work.receipt());
    }

    /// Never back.
    pub(crate) fn put_forward_to(&mut self, to: Duration) {
        self.skipped += to.saturating_sub(self.now());
    }
}
