//! Every minute: what the table's stream never delivered is published after all.
//!
//! The stream keeps a record for a day. Who is paused or broken for longer leaves
//! entries behind that no trigger will ever see. Each player's journal is compared with
//! how far `outbox` has marked it as published. Where the first entry that is not is
//! older than the stream's day, the rest is published from the journal, in order, and
//! marked; a younger one is the stream's to deliver, and what waits is counted.
//!
//! A run looks at one partition of the roster, which one the minute says, so all players
//! come by every sixteen minutes. Twice, late, at once or by hand comes out the same: a
//! consumer knows an event that comes again.

use domain::{Entry, PlayerId, dead_letter::RecordKey, outbox};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use publish::{FailureQueue, NotSetAside, Publisher, SetAside, Stopped};
use runtime::{Clock, Deps, Function, chain, metrics};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Bookmark, Progress, ROSTER_SHARDS, Store, Unpublished};

/// Players looked at at once.
const CONCURRENCY: usize = 8;

/// Entries of one read, and of one publication.
const PAGE: i32 = 50;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `EVENT_STREAM`, `PUSH_QUEUE_URL`, `FAILURE_QUEUE_URL`, `STAGE` or
/// `SWEEP_AFTER_SECONDS` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let sweep = Sweep {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        publisher: Publisher::new(&deps)?,
        failures: FailureQueue::new(&deps)?,
        after_seconds: deps.env.require("SWEEP_AFTER_SECONDS")?.parse()?,
        stage: deps.env.require("STAGE")?.to_owned(),
        clock: deps.clock,
    };
    Ok(Function::trigger(move |event: Value, _context| {
        let sweep = sweep.clone();
        async move { sweep.run(serde_json::from_value(event)?).await }
    }))
}

#[derive(Clone)]
struct Sweep {
    store: Store,
    publisher: Publisher,
    failures: FailureQueue,
    after_seconds: u32,
    stage: String,
    clock: Clock,
}

/// What may be in the event: a schedule's has neither, an operator's may.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Order {
    /// All players, instead of a sixteenth.
    everybody: bool,
    /// Instead of the configured age: 0 once it is known that the stream lost records.
    after_seconds: Option<u32>,
}

/// What a run found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    players: u64,
    /// Entries that the stream may still deliver.
    pending: u64,
    /// Age of the oldest of them.
    lag_seconds: u64,
    /// Entries that it never delivered; they are published now, or set aside.
    swept: u64,
    /// Players whose turn comes again, because something did not answer.
    failed: u64,
}

/// What became of one player.
#[derive(Clone, Copy, Debug, Default)]
struct Swept {
    entries: u64,
    pending: u64,
    lag_seconds: u64,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    NotSetAside(#[from] NotSetAside),
}

impl Sweep {
    async fn run(&self, order: Order) -> Result<Report, runtime::Error> {
        let now = self.clock.now();
        let after_seconds = order.after_seconds.unwrap_or(self.after_seconds);
        let turn = outbox::turn(now, ROSTER_SHARDS);
        let shards = if order.everybody { 0..ROSTER_SHARDS } else { turn..turn + 1 };
        let mut report = Report::default();
        for shard in shards {
            let players = self.players(shard).await?;
            report.players += players.len() as u64;
            let progress = self.store.progress(&players).await?;
            let behind = progress.into_iter().filter(|of| of.published < of.head);
            let mut sweeps = stream::iter(behind)
                .map(|of| async move { (of, self.player(of, after_seconds, now).await) })
                .buffer_unordered(CONCURRENCY);
            while let Some((of, swept)) = sweeps.next().await {
                report.count(of, swept);
            }
        }
        let Report { players, pending, lag_seconds, swept, failed } = report;
        tracing::info!(players, pending, lag_seconds, swept, failed, "swept the outbox");
        metrics::record(metrics::OutboxSweep::new(
            now,
            self.stage.clone(),
            pending,
            lag_seconds,
            swept,
        ));
        Ok(report)
    }

    /// Who is in a partition, and who has left it: erasing is an entry too.
    async fn players(&self, shard: u8) -> store::Result<Vec<PlayerId>> {
        let mut all = Vec::new();
        let mut roster = Bookmark::default();
        while let Some(players) = self.store.roster(shard, &mut roster).await? {
            all.extend(players);
        }
        let mut departed = Bookmark::default();
        while let Some(players) = self.store.departed(shard, &mut departed).await? {
            all.extend(players);
        }
        Ok(all)
    }

    /// Publishes a player's journal from the mark on, if the stream is not going to.
    ///
    /// Then all of it, also what the stream has delivered after the gap: its mark had to
    /// wait before the gap, and moves on from the end only. The last look comes after the
    /// mark was moved there, so it finds whatever found the mark not there yet.
    async fn player(
        &self,
        of: Progress,
        after_seconds: u32,
        now: Timestamp,
    ) -> Result<Swept, Failure> {
        let Progress { player, head, published } = of;
        let mut waiting = self.store.unpublished(player, published, PAGE).await?;
        let first = waiting.first().and_then(|first| first.at);
        if let Some(lag_seconds) = outbox::waits_for_the_stream(first, now, after_seconds) {
            return Ok(Swept { pending: head - published, lag_seconds, entries: 0 });
        }
        let mut swept = Swept::default();
        while let Some((first, last)) = waiting.first().zip(waiting.last()) {
            let (first, last) = (first.seq, last.seq);
            swept.entries += waiting.len() as u64;
            self.publish(waiting).await?;
            self.store.mark_published(player, first..=last).await?;
            waiting = self.store.unpublished(player, last, PAGE).await?;
        }
        Ok(swept)
    }

    async fn publish(&self, waiting: Vec<Unpublished>) -> Result<(), Failure> {
        let mut entries: Vec<Entry> = Vec::new();
        for Unpublished { entry, record, .. } in waiting {
            match entry {
                Ok(entry) => entries.push(entry),
                // As `outbox` does with a record that it cannot read.
                Err(error) => {
                    let RecordKey { pk, sk } = &record;
                    tracing::error!(pk, sk, "set a record aside: it is no journal entry");
                    self.failures.set_aside(&SetAside::of_key(&record, &error)).await?;
                }
            }
        }
        Ok(self.publisher.publish(&entries).await?)
    }
}

impl Report {
    fn count(&mut self, of: Progress, swept: Result<Swept, Failure>) {
        match swept {
            Ok(Swept { entries, pending, lag_seconds }) => {
                self.swept += entries;
                self.pending += pending;
                self.lag_seconds = self.lag_seconds.max(lag_seconds);
                if entries > 0 {
                    tracing::error!(player = %of.player, after = of.published, entries, "the stream never delivered them");
                }
            }
            Err(error) => {
                self.failed += 1;
                tracing::warn!(player = %of.player, error = chain(&error), "the player's turn comes again");
            }
        }
    }
}
