//! Event stream → views.
//!
//! An event is a nudge: the function folds the player's journal from where the
//! view stands up to that event, so a duplicate, a gap or an old event cannot make
//! it wrong. Not further: the frames of later entries may not be in the push queue
//! yet, and the statistics' frame must not overtake them.

use std::collections::BTreeMap;

use aws_lambda_events::{
    kinesis::{KinesisEvent, KinesisEventRecord},
    streams::KinesisEventResponse,
};
use domain::{Envelope, Gold, PlayerId};
use runtime::{
    Deps, Function, chain,
    push::{Message, Queue},
};
use store::{Opened, Store, Subject};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `PUSH_QUEUE_URL` or `BIG_WIN_THRESHOLD_GOLD` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let projections = Projections {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        push: Queue::new(&deps)?,
        big_win: Gold::new(deps.env.require("BIG_WIN_THRESHOLD_GOLD")?.parse()?),
    };
    Ok(Function::trigger(move |event: KinesisEvent, _context| {
        let projections = projections.clone();
        async move { Ok(projections.project(event.records).await) }
    }))
}

#[derive(Clone)]
struct Projections {
    store: Store,
    push: Queue,
    /// From which win on a round counts as a big one.
    big_win: Gold,
}

impl Projections {
    /// Brings the views of every player in the batch up to date. A failure brings
    /// the batch back from the first event it concerns; what is done already is
    /// found so.
    async fn project(&self, records: Vec<KinesisEventRecord>) -> KinesisEventResponse {
        let mut failed: Vec<usize> = Vec::new();
        let mut due: Vec<(usize, Opened)> = Vec::new();
        for (player, Nudge { index, newest }) in nudges(&records) {
            match self.store.open_up_to(Subject::system(player), newest).await {
                Ok(opened) if opened.stored_seq >= newest => {}
                Ok(opened) => due.push((index, opened)),
                // No retry makes it readable, and others wait behind it. The next event
                // after it can be read brings the view up to date.
                Err(error @ store::Error::Corrupt { .. }) => {
                    tracing::error!(%player, error = chain(&error), "skipped an unreadable journal");
                }
                Err(error) => {
                    tracing::error!(%player, %error, "a view cannot be brought up to date");
                    failed.push(index);
                }
            }
        }
        // The frames first: if a view were stored and its frame not sent, nothing
        // would bring the frame back. One that is sent twice is known by its `seq`.
        let frames: Vec<_> = due.iter().map(|(_, opened)| message(opened)).collect();
        if let Err(error) = self.push.send(&frames).await {
            tracing::error!(%error, "no view of this batch is stored");
            failed.extend(due.drain(..).map(|(index, _)| index));
        }
        for (index, opened) in due {
            if let Err(error) = self.save(&opened).await {
                tracing::error!(player = %opened.player.id, %error, "a view was not stored");
                failed.push(index);
            }
        }
        let mut answer = KinesisEventResponse::default();
        if let Some(first) = failed.into_iter().min() {
            answer.add_failure(&records[first].kinesis.sequence_number);
        }
        answer
    }
}

impl Projections {
    /// The statistics last: what they have folded in, nobody folds again.
    async fn save(&self, opened: &Opened) -> store::Result<()> {
        let Opened { player, stats, folded, .. } = opened;
        if folded.iter().any(|entry| entry.fact.is_action()) {
            let mut activity = self.store.activity(player.id).await?;
            for entry in folded {
                activity.fold(entry, self.big_win);
            }
            self.store.save_activity(player.id, &activity).await?;
        }
        self.store.save_stats(player.id, stats).await
    }
}

/// Where a player's events begin in the batch, and the newest of them.
struct Nudge {
    index: usize,
    newest: u64,
}

fn nudges(records: &[KinesisEventRecord]) -> BTreeMap<PlayerId, Nudge> {
    let mut nudges = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        match serde_json::from_slice::<Envelope>(&record.kinesis.data) {
            Ok(event) => {
                let nudge =
                    nudges.entry(event.user_id).or_insert(Nudge { index, newest: event.seq });
                nudge.newest = nudge.newest.max(event.seq);
            }
            // No event, so no player to bring up to date. `olap-load` keeps what
            // such a record held.
            Err(error) => tracing::error!(
                sequence = record.kinesis.sequence_number, %error, "skipped a record that is no event"
            ),
        }
    }
    nudges
}

fn message(opened: &Opened) -> Message {
    let Opened { player, stats, folded, .. } = opened;
    let frame = domain::stats_frame(player.id, stats, folded.last(), player.updated_at);
    Message::frames(player.id, &[frame])
}
