//! Event stream → views.
//!
//! An event is a nudge: the function folds the player's journal from where the
//! view stands, so a duplicate, a gap or an old event cannot make it wrong.

use std::collections::BTreeMap;

use aws_lambda_events::{
    kinesis::{KinesisEvent, KinesisEventRecord},
    streams::KinesisEventResponse,
};
use domain::{Envelope, PlayerId};
use runtime::{
    Deps, Function,
    push::{Message, Queue},
};
use store::Store;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `PUSH_QUEUE_URL` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let projections = Projections {
        store: Store::new(&deps.aws, deps.env.require("TABLE_NAME")?),
        push: Queue::new(&deps)?,
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
}

impl Projections {
    /// Brings the views of every player in the batch up to date. A player's
    /// failure brings the batch back from that player's first event; players
    /// that are done already are found so.
    async fn project(&self, records: Vec<KinesisEventRecord>) -> KinesisEventResponse {
        let mut answer = KinesisEventResponse::default();
        let mut first_of: BTreeMap<PlayerId, (usize, u64)> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            match serde_json::from_slice::<Envelope>(&record.kinesis.data) {
                Ok(event) => {
                    let (_, newest) = first_of.entry(event.user_id).or_insert((index, event.seq));
                    *newest = event.seq.max(*newest);
                }
                // No event, so no player to bring up to date. `olap-load` keeps
                // what such a record held.
                Err(error) => tracing::error!(
                    sequence = record.kinesis.sequence_number, %error, "skipped a record that is no event"
                ),
            }
        }
        let mut failed: Option<usize> = None;
        for (player, (index, newest)) in first_of {
            if let Err(error) = self.catch_up(player, newest).await {
                tracing::error!(%player, %error, "a view did not catch up");
                failed = Some(failed.map_or(index, |earlier| earlier.min(index)));
            }
        }
        if let Some(index) = failed {
            answer.add_failure(&records[index].kinesis.sequence_number);
        }
        answer
    }

    async fn catch_up(&self, player: PlayerId, newest: u64) -> Result<(), Error> {
        let opened = self.store.open(player).await?;
        if opened.stored_seq >= newest {
            return Ok(());
        }
        // The frame first: if the view were stored and the frame were not sent,
        // nothing would bring this back. A frame sent twice is known by its `seq`.
        let frame = domain::stats_frame(player, &opened.stats, opened.player.updated_at);
        self.push.send(&[Message::frames(player, &[frame])]).await?;
        Ok(self.store.save_stats(player, &opened.stats).await?)
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Push(#[from] runtime::push::QueueError),
}
