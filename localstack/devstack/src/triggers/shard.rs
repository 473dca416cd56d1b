//! One shard of a table's change stream or a Kinesis stream, for one mapping.

use std::sync::Arc;

use anyhow::Result;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use super::{
    Parts, Stop,
    event::{Origin, order_key, stream_record, stream_view},
    failure::{self, Condition},
    filter::Filter,
    lanes::{Lane, Window, lane_of},
    ports::{Record, ShardSource},
    state::{Activity, State},
    time::backoff,
    verdict::{Batch, Item, Limits, Outcome, Verdict, judge, outcome},
};
use crate::spec::MappingSpec;

/// A position before the oldest record: what `TRIM_HORIZON` stores.
const BEGINNING: &str = "TRIM_HORIZON";

/// Records filtered out before their position is stored even though none was
/// delivered. Until then a restart filters them once more.
const UNSAVED: u32 = 1_000;

/// What a shard's batches share.
pub(super) struct Shard {
    pub mapping: MappingSpec,
    pub filters: Vec<Filter>,
    pub source: Arc<dyn ShardSource>,
    pub origin: Origin,
    pub parts: Parts,
    pub state: Arc<State>,
    pub activity: Activity,
}

type InFlight = FuturesUnordered<BoxFuture<'static, (usize, Verdict)>>;

/// The loop's own state.
struct Reader {
    shard: Arc<Shard>,
    changed: watch::Receiver<u64>,
    /// The last record read.
    after: Option<String>,
    /// The last read may have left something behind.
    more: bool,
    /// Failed reads in a row and when to try again.
    failed_reads: u32,
    read_again: Option<Timestamp>,
    window: Window,
    lanes: Vec<Lane>,
    in_flight: InFlight,
    unsaved: u32,
    /// A position that could not be stored, to be tried again.
    to_save: Option<String>,
}

impl Shard {
    /// Where to start: the stored position, or the mapping's starting position,
    /// which is stored at once so that a restart does not skip anything.
    async fn start(&self) -> Result<Option<String>> {
        let (mapping, shard) = (&self.mapping.name, &self.origin.shard);
        let position = match self.parts.checkpoints.get(mapping, shard).await? {
            Some(position) => position,
            None => {
                let latest =
                    if self.mapping.from_start { None } else { self.source.latest(shard).await? };
                let position = latest.unwrap_or_else(|| BEGINNING.to_owned());
                self.parts.checkpoints.set(mapping, shard, &position).await?;
                position
            }
        };
        Ok((position != BEGINNING).then_some(position))
    }

    fn wants(&self, record: &Record) -> bool {
        self.filters.is_empty()
            || stream_view(record)
                .is_some_and(|view| self.filters.iter().any(|filter| filter.matches(&view)))
    }

    /// Takes a batch one step further: gives up what is too old, or invokes.
    async fn step(&self, mut batch: Batch, mut stop: Stop) -> Verdict {
        let now = self.parts.time.now();
        let too_old = self.mapping.max_record_age.map_or(0, |age| {
            let expired = |item: &Item| super::time::later(item.record.arrived, age) < now;
            batch.items.iter().take_while(|item| expired(item)).count()
        });
        if too_old > 0 {
            let rest = batch.items.split_off(too_old);
            let again = Batch { items: rest, ..batch };
            let mut verdict =
                self.give_up(batch, Condition::MaximumRecordAgeExceeded, true, &mut stop).await;
            if !again.items.is_empty() {
                verdict.again.push(again);
            }
            return verdict;
        }
        let records: Vec<_> =
            batch.items.iter().map(|item| stream_record(&item.record, &self.origin)).collect();
        let answer = self.parts.invoke(&self.mapping.function, json!({ "Records": records })).await;
        let ids: Vec<_> = batch.items.iter().map(|item| item.record.sequence.as_str()).collect();
        let outcome = outcome(&answer, self.mapping.report_batch_item_failures, &ids);
        if outcome != Outcome::Succeeded {
            tracing::warn!(
                mapping = self.mapping.name,
                shard = self.origin.shard,
                records = batch.items.len(),
                attempts = batch.attempts,
                ?outcome,
                error = answer.as_ref().err().map(ToString::to_string),
                "a batch failed",
            );
        }
        let limits = Limits { bisect: self.mapping.bisect, max_retries: self.mapping.max_retries };
        let mut verdict = judge(batch, &outcome, limits);
        if let Some(exhausted) = verdict.exhausted.take() {
            let function_failed = answer.is_err();
            let condition = Condition::RetryAttemptsExhausted;
            let given_up = self.give_up(exhausted, condition, function_failed, &mut stop).await;
            verdict.finished.extend(given_up.finished);
            verdict.again.extend(given_up.again);
        }
        verdict
    }

    /// Reports a batch to the on-failure destination. Until that has worked
    /// its records are not done with.
    async fn give_up(
        &self,
        batch: Batch,
        condition: Condition,
        function_failed: bool,
        stop: &mut Stop,
    ) -> Verdict {
        let (first, last) = (batch.items.first(), batch.items.last());
        tracing::error!(
            mapping = self.mapping.name,
            shard = self.origin.shard,
            ?condition,
            from = first.map(|item| &item.record.sequence),
            to = last.map(|item| &item.record.sequence),
            "records are given up",
        );
        let Some(queue) = &self.mapping.on_failure_queue else {
            return Verdict { finished: batch.items, ..Verdict::default() };
        };
        let now = self.parts.time.now();
        let id = self.parts.request_id();
        let body = failure::document(&batch, condition, function_failed, &self.origin, now, &id)
            .to_string();
        let mut attempts = 0;
        while let Err(error) = self.parts.destination.send(queue, body.clone()).await {
            attempts += 1;
            tracing::error!(
                queue,
                error = format!("{error:#}"),
                "the failure queue is unreachable"
            );
            let again = super::time::later(self.parts.time.now(), backoff(attempts));
            tokio::select! {
                () = self.parts.time.until(again) => {}
                () = stop.stopped() => {
                    return Verdict { again: vec![batch], ..Verdict::default() };
                }
            }
        }
        Verdict { finished: batch.items, ..Verdict::default() }
    }
}

/// Finds the shard's position, then polls it until told to stop; a batch that
/// is in flight then is finished first.
///
/// # Errors
/// If the starting position cannot be read or stored.
pub(super) async fn start(shard: Shard, stop: Stop) -> Result<BoxFuture<'static, ()>> {
    let after = shard.start().await?;
    let lanes = (0..shard.mapping.parallelization_factor.max(1)).map(|_| Lane::default()).collect();
    let reader = Reader {
        changed: shard.source.changed(),
        shard: Arc::new(shard),
        after,
        more: true,
        failed_reads: 0,
        read_again: None,
        window: Window::default(),
        lanes,
        in_flight: InFlight::new(),
        unsaved: 0,
        to_save: None,
    };
    Ok(Box::pin(reader.run(stop)))
}

impl Reader {
    async fn run(mut self, mut stop: Stop) {
        loop {
            self.read().await;
            self.dispatch(&stop);
            self.save().await;
            self.report();
            if stop.is_stopped() && self.in_flight.is_empty() {
                return;
            }
            let deadline = self.deadline();
            let time = Arc::clone(&self.shard.parts.time);
            let can_read = self.room() > 0 && self.read_again.is_none();
            tokio::select! {
                biased;
                Some((lane, verdict)) = self.in_flight.next() => self.settle(lane, verdict),
                () = stop.stopped(), if !stop.is_stopped() => {}
                () = std::future::ready(()), if can_read && self.more && !stop.is_stopped() => {}
                Ok(()) = self.changed.changed(), if can_read && !stop.is_stopped() => {
                    self.more = true;
                }
                () = wait(time, deadline), if deadline.is_some() && !stop.is_stopped() => {}
                else => return,
            }
        }
    }

    /// Records that may still be taken in: two rounds of full batches.
    fn room(&self) -> usize {
        let mapping = &self.shard.mapping;
        let most = mapping.batch_size * self.lanes.len() * 2;
        most.saturating_sub(self.window.len())
    }

    async fn read(&mut self) {
        let now = self.shard.parts.time.now();
        let room = self.room();
        if !self.more || room == 0 || self.read_again.is_some_and(|again| again > now) {
            return;
        }
        let shard = Arc::clone(&self.shard);
        // Before reading: what is written from here on moves it again.
        let version = *self.changed.borrow_and_update();
        match shard.source.read(&shard.origin.shard, self.after.as_deref(), room).await {
            Ok(records) => {
                self.failed_reads = 0;
                self.read_again = None;
                // Sources may give less than was asked for, so only an empty
                // answer says that nothing is left.
                self.more = !records.is_empty();
                if records.is_empty() {
                    shard.state.caught_up(&shard.origin.shard, version);
                } else if !shard.source.pace().is_zero() {
                    self.read_again = Some(super::time::later(now, shard.source.pace()));
                }
                for record in records {
                    self.take(record, now);
                }
            }
            Err(error) => {
                self.failed_reads += 1;
                self.read_again = Some(super::time::later(now, backoff(self.failed_reads)));
                tracing::error!(
                    mapping = shard.mapping.name,
                    shard = shard.origin.shard,
                    error = format!("{error:#}"),
                    "the shard cannot be read",
                );
            }
        }
    }

    fn take(&mut self, record: Record, now: Timestamp) {
        let wanted = self.shard.wants(&record);
        let index = self.window.push(&record.sequence, wanted);
        self.after = Some(record.sequence.clone());
        if wanted {
            let lane = lane_of(&order_key(&record), self.lanes.len());
            self.lanes[lane].push(Item { index, record }, now);
        } else {
            self.unsaved += 1;
        }
    }

    fn dispatch(&mut self, stop: &Stop) {
        if stop.is_stopped() {
            return;
        }
        let mapping = &self.shard.mapping;
        let now = self.shard.parts.time.now();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(batch) = lane.next(mapping.batch_size, mapping.batch_window, now) {
                let (shard, stop) = (Arc::clone(&self.shard), stop.clone());
                self.shard.state.began(&self.shard.activity);
                self.in_flight
                    .push(Box::pin(async move { (number, shard.step(batch, stop).await) }));
            }
        }
    }

    fn settle(&mut self, lane: usize, mut verdict: Verdict) {
        for item in &verdict.finished {
            self.window.finish(item.index);
        }
        self.lanes[lane].settle(&mut verdict, self.shard.parts.time.now());
    }

    /// Stores the position below which everything is done.
    async fn save(&mut self) {
        let mut due = self.to_save.is_some();
        if let Some((position, delivered)) = self.window.advance() {
            due |= delivered || self.unsaved >= UNSAVED;
            self.to_save = due.then_some(position);
        }
        let Some(position) = self.to_save.as_deref().filter(|_| due) else { return };
        let (mapping, shard) = (&self.shard.mapping.name, &self.shard.origin.shard);
        match self.shard.parts.checkpoints.set(mapping, shard, position).await {
            Ok(()) => {
                self.to_save = None;
                self.unsaved = 0;
            }
            Err(error) => {
                tracing::error!(mapping, shard, error = format!("{error:#}"), "no checkpoint");
            }
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let mapping = &self.shard.mapping;
        let now = self.shard.parts.time.now();
        let batches = self.lanes.iter();
        let batches = batches.filter_map(|l| l.due(mapping.batch_size, mapping.batch_window, now));
        batches.chain(self.read_again.filter(|_| self.room() > 0)).min()
    }

    fn report(&self) {
        let (state, shard) = (&self.shard.state, &self.shard.origin.shard);
        state.at(shard, self.after.clone(), self.window.len(), self.in_flight.len());
        self.shard.activity.tell();
    }
}

async fn wait(time: Arc<dyn super::Time>, deadline: Option<Timestamp>) {
    if let Some(deadline) = deadline {
        time.until(deadline).await;
    }
}
