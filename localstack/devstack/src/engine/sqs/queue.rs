//! One queue: order, visibility, groups and redrive, without clock or I/O.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

/// What a queue keeps of a message; also its form in the spool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) group: Option<String>,
    pub(super) dedup: Option<String>,
    /// `MessageAttributes` as they were sent.
    pub(super) attributes: Option<Value>,
    pub(super) sent_ms: i64,
    #[serde(skip)]
    pub(super) first_received_ms: Option<i64>,
    #[serde(skip)]
    pub(super) receive_count: u32,
}

#[derive(Debug)]
struct Entry {
    message: Message,
    /// Counts deliveries: a receipt handle is good for one of them.
    delivery: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    Delayed(Instant),
    InFlight(Instant),
}

/// Messages that must be delivered one after another: a message group, or in
/// a standard queue each message by itself.
#[derive(Debug, Default)]
struct Lane {
    order: BTreeSet<u64>,
    in_flight: usize,
    /// The entry of this lane in `Queue::heads`.
    head: Option<u64>,
}

/// What one receive gave.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) messages: Vec<Delivery>,
    /// Messages that were received too often and are no longer here.
    pub(super) dead: Vec<(u64, Message)>,
}

/// A message handed out once.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) seq: u64,
    pub(super) delivery: u32,
    pub(super) message: Message,
}

/// Why a receipt handle does not work.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expired;

/// Numbers of messages, as `GetQueueAttributes` gives them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

#[derive(Debug)]
pub(super) struct Queue {
    fifo: bool,
    max_receive_count: Option<u32>,
    entries: BTreeMap<u64, Entry>,
    lanes: HashMap<String, Lane>,
    /// First message of every lane that may be received from.
    heads: BTreeSet<u64>,
    timers: BTreeSet<(Instant, u64)>,
}

impl Queue {
    pub(super) fn new(fifo: bool, max_receive_count: Option<u32>) -> Self {
        Self {
            fifo,
            max_receive_count,
            entries: BTreeMap::new(),
            lanes: HashMap::new(),
            heads: BTreeSet::new(),
            timers: BTreeSet::new(),
        }
    }

    /// Adds a message, hidden for `delay`.
    pub(super) fn push(&mut self, seq: u64, message: Message, delay: Duration, now: Instant) {
        let lane = self.lane_of(seq, &message);
        let state = if delay.is_zero() {
            State::Ready
        } else {
            self.timers.insert((now + delay, seq));
            State::Delayed(now + delay)
        };
        let entry = Entry { message, delivery: 0, state };
        self.entries.insert(seq, entry);
        self.lanes.entry(lane.clone()).or_default().order.insert(seq);
        self.settle(&lane);
    }

    /// Hands out up to `max` messages and hides them for `visibility`. Several
    /// may be of one group, in order; a group of which a message is in flight
    /// gives no more.
    pub(super) fn receive(
        &mut self,
        max: usize,
        visibility: Duration,
        now: Instant,
        now_ms: i64,
    ) -> Received {
        self.wake(now);
        let mut received = Received::default();
        while received.messages.len() < max
            && let Some(head) = self.heads.first().copied()
        {
            let lane = self.lane_of(head, &self.entries[&head].message);
            let order: Vec<u64> = self.lanes[&lane].order.iter().copied().collect();
            for seq in order {
                if received.messages.len() == max || self.entries[&seq].state != State::Ready {
                    break;
                }
                if self.exhausted(seq) {
                    received.dead.extend(self.remove(seq).map(|m| (seq, m)));
                } else {
                    let delivery = self.deliver(seq, &lane, now + visibility, now_ms);
                    received.messages.push(delivery);
                }
            }
            self.settle(&lane);
        }
        received
    }

    /// Deletes a delivered message. One that is gone already is no error; in
    /// a FIFO queue a handle works only while its delivery is in flight.
    pub(super) fn delete(
        &mut self,
        seq: u64,
        delivery: u32,
        now: Instant,
    ) -> Result<bool, Expired> {
        self.wake(now);
        let Some(entry) = self.entries.get(&seq) else {
            return Ok(false);
        };
        let current = entry.delivery == delivery && matches!(entry.state, State::InFlight(_));
        if self.fifo && !current {
            return Err(Expired);
        }
        Ok(self.remove(seq).is_some())
    }

    /// Hides a delivered message for `timeout` from now; zero gives it back.
    pub(super) fn change_visibility(
        &mut self,
        seq: u64,
        delivery: u32,
        timeout: Duration,
        now: Instant,
    ) -> Result<(), Expired> {
        self.wake(now);
        let entry = self.entries.get_mut(&seq).ok_or(Expired)?;
        let State::InFlight(until) = entry.state else {
            return Err(Expired);
        };
        if entry.delivery != delivery {
            return Err(Expired);
        }
        self.timers.remove(&(until, seq));
        entry.state = State::InFlight(now + timeout);
        self.timers.insert((now + timeout, seq));
        self.wake(now);
        Ok(())
    }

    /// Empties the queue.
    pub(super) fn purge(&mut self) -> Vec<u64> {
        let sequences = self.entries.keys().copied().collect();
        *self = Self::new(self.fifo, self.max_receive_count);
        sequences
    }

    /// When the next hidden message becomes visible.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn counts(&mut self, now: Instant) -> Counts {
        self.wake(now);
        let mut counts = Counts::default();
        for entry in self.entries.values() {
            match entry.state {
                State::Ready => counts.visible += 1,
                State::Delayed(_) => counts.delayed += 1,
                State::InFlight(_) => counts.in_flight += 1,
            }
        }
        counts
    }

    fn lane_of(&self, seq: u64, message: &Message) -> String {
        match &message.group {
            Some(group) if self.fifo => group.clone(),
            _ => seq.to_string(),
        }
    }

    fn exhausted(&self, seq: u64) -> bool {
        self.max_receive_count.is_some_and(|max| self.entries[&seq].message.receive_count >= max)
    }

    fn deliver(&mut self, seq: u64, lane: &str, until: Instant, now_ms: i64) -> Delivery {
        let entry = self.entries.get_mut(&seq).expect("lanes name live messages");
        entry.delivery += 1;
        entry.state = State::InFlight(until);
        entry.message.receive_count += 1;
        entry.message.first_received_ms.get_or_insert(now_ms);
        self.timers.insert((until, seq));
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.in_flight += 1;
        }
        Delivery { seq, delivery: entry.delivery, message: entry.message.clone() }
    }

    fn remove(&mut self, seq: u64) -> Option<Message> {
        let entry = self.entries.remove(&seq)?;
        let lane = self.lane_of(seq, &entry.message);
        if let State::Delayed(at) | State::InFlight(at) = entry.state {
            self.timers.remove(&(at, seq));
        }
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.order.remove(&seq);
            if matches!(entry.state, State::InFlight(_)) {
                lane.in_flight -= 1;
            }
        }
        self.settle(&lane);
        Some(entry.message)
    }

    /// Makes messages visible whose time has come.
    fn wake(&mut self, now: Instant) {
        while let Some((at, seq)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            let entry = self.entries.get_mut(&seq).expect("timers name live messages");
            let was_in_flight = matches!(entry.state, State::InFlight(_));
            entry.state = State::Ready;
            let lane = self.lane_of(seq, &self.entries[&seq].message);
            if was_in_flight && let Some(lane) = self.lanes.get_mut(&lane) {
                lane.in_flight -= 1;
            }
            self.settle(&lane);
        }
    }

    /// Brings `heads` in line with a lane that changed.
    fn settle(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        if let Some(head) = lane.head.take() {
            self.heads.remove(&head);
        }
        let Some(first) = lane.order.first().copied() else {
            self.lanes.remove(name);
            return;
        };
        if lane.in_flight == 0 && self.entries[&first].state == State::Ready {
            lane.head = Some(first);
            self.heads.insert(first);
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
