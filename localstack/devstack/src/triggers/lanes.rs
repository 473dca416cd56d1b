//! A shard's records between reading and checkpoint.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    time::{backoff, later},
    verdict::{Batch, Item, Verdict},
};

/// Records read and not yet done with, in order, and which of them are done.
#[derive(Debug, Default)]
pub(super) struct Window {
    first: u64,
    records: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    sequence: String,
    done: bool,
    delivered: bool,
}

impl Window {
    /// Takes a record in and numbers it. One that no filter wants is done.
    pub fn push(&mut self, sequence: &str, wanted: bool) -> u64 {
        let index = self.first + self.records.len() as u64;
        let sequence = sequence.to_owned();
        self.records.push_back(Slot { sequence, done: !wanted, delivered: wanted });
        index
    }

    pub fn finish(&mut self, index: u64) {
        let position = usize::try_from(index - self.first).expect("the window fits in memory");
        self.records[position].done = true;
    }

    /// Moves past what is done at the front. Returns the new position and
    /// whether a record on the way was delivered, not only filtered out.
    pub fn advance(&mut self) -> Option<(String, bool)> {
        let mut position = None;
        let mut delivered = false;
        while let Some(slot) = self.records.pop_front_if(|slot| slot.done) {
            self.first += 1;
            delivered |= slot.delivered;
            position = Some(slot.sequence);
        }
        position.map(|position| (position, delivered))
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }
}

/// One of a shard's parallel batches. Records of one key are in one lane, and
/// a lane has at most one batch in flight: that is how keys keep their order.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: VecDeque<Item>,
    /// When the oldest of `waiting` came in.
    since: Option<Timestamp>,
    retries: VecDeque<Batch>,
    /// No sooner than this is a retry due.
    not_before: Option<Timestamp>,
    pub busy: bool,
}

impl Lane {
    pub fn push(&mut self, item: Item, now: Timestamp) {
        self.since.get_or_insert(now);
        self.waiting.push_back(item);
    }

    /// The next batch, if it is due now.
    pub fn next(&mut self, size: usize, window: Duration, now: Timestamp) -> Option<Batch> {
        if self.due(size, window, now)? > now {
            return None;
        }
        self.busy = true;
        self.not_before = None;
        if let Some(batch) = self.retries.pop_front() {
            return Some(batch);
        }
        let items = self.waiting.drain(..size.min(self.waiting.len())).collect();
        self.since = (!self.waiting.is_empty()).then_some(now);
        Some(Batch { items, ..Batch::default() })
    }

    /// When the next batch is due; `None` while there is nothing to do or one
    /// is in flight.
    pub fn due(&self, size: usize, window: Duration, now: Timestamp) -> Option<Timestamp> {
        if self.busy {
            None
        } else if !self.retries.is_empty() {
            Some(self.not_before.unwrap_or(now))
        } else if self.waiting.len() >= size {
            Some(now)
        } else {
            self.since.map(|since| later(since, window))
        }
    }

    /// Takes back what has to be tried again.
    pub fn settle(&mut self, verdict: &mut Verdict, now: Timestamp) {
        self.busy = false;
        if verdict.failures > 0 {
            self.not_before = Some(later(now, backoff(verdict.failures)));
        }
        for batch in verdict.again.drain(..).rev() {
            self.retries.push_front(batch);
        }
    }
}

/// The lane of a key.
pub(super) fn lane_of(key: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % lanes as u64).expect("less than a usize")
}
