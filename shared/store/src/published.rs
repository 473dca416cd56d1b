//! How far each player's journal is published, for whoever finds what the table's
//! stream never delivered.

use std::{collections::BTreeMap, ops::RangeInclusive};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{Entry, PlayerId, dead_letter::RecordKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Store, boxed,
    error::{Result, done_or_needless},
    item::{self, Item},
    keys,
};

/// Players of one `BatchGetItem`: two items of each, of a hundred at most.
const BATCH: usize = 50;

/// The item: every entry up to this one was published, or set aside.
#[derive(Serialize, Deserialize)]
struct Mark {
    published: u64,
}

/// Of a state, what says how long the journal is. Read even where the rest is unreadable.
#[derive(Deserialize)]
struct Head {
    version: u64,
}

/// How long a player's journal is, and how much of it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub player: PlayerId,
    /// The newest entry.
    pub head: u64,
    /// Every entry up to this one was published, or set aside.
    pub published: u64,
}

/// An entry that waits to be published.
#[derive(Debug)]
pub struct Unpublished {
    pub seq: u64,
    pub record: RecordKey,
    /// When it happened, unless not even that can be read.
    pub at: Option<Timestamp>,
    /// [`crate::Error::Corrupt`] when this build cannot read it.
    pub entry: Result<Entry>,
}

impl Store {
    /// Notes that the entries of a player that `seqs` names were published, or set aside.
    ///
    /// The mark says so of *all* entries up to it. It moves only when those before are
    /// under it already: else the stream has left something out, and the mark waits
    /// there for [`Store::unpublished`]. One that is further stays.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn mark_published(&self, player: PlayerId, seqs: RangeInclusive<u64>) -> Result<()> {
        let (before, last) = (seqs.start().saturating_sub(1), *seqs.end());
        let follows = "published BETWEEN :before AND :below";
        let condition = match before {
            0 => format!("attribute_not_exists(pk) OR {follows}"),
            _ => follows.to_owned(),
        };
        let mark = item::encode(keys::published(player), "published", Mark { published: last })?;
        let number = |seq: u64| AttributeValue::N(seq.to_string());
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(mark))
            .condition_expression(condition)
            .expression_attribute_values(":before", number(before))
            .expression_attribute_values(":below", number(last.saturating_sub(1)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        done_or_needless(answer)
    }

    /// How far the journals of these players are published; of who does not exist,
    /// nothing.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`], [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn progress(&self, players: &[PlayerId]) -> Result<Vec<Progress>> {
        let mut all = Vec::new();
        for players in players.chunks(BATCH) {
            let addresses: Vec<_> = players
                .iter()
                .flat_map(|&player| [keys::state(player), keys::published(player)])
                .collect();
            let (mut heads, mut marks) = (BTreeMap::new(), BTreeMap::new());
            for found in self.get(&addresses).await? {
                let pk = item::pk(&found).unwrap_or_default();
                if let Some(player) = keys::player_of(pk) {
                    heads.insert(player, item::decode::<Head>(found)?.version);
                } else if let Some(player) = keys::published_of(pk) {
                    marks.insert(player, item::decode::<Mark>(found)?.published);
                }
            }
            all.extend(heads.into_iter().map(|(player, head)| {
                let published = marks.get(&player).copied().unwrap_or_default();
                Progress { player, head, published }
            }));
        }
        Ok(all)
    }

    /// Up to `limit` entries after `seq`, oldest first, each as far as it can be read.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn unpublished(
        &self,
        player: PlayerId,
        seq: u64,
        limit: i32,
    ) -> Result<Vec<Unpublished>> {
        let from = keys::entry_sk(seq.saturating_add(1));
        let (items, _) = self.page(player, &from, keys::AFTER_ENTRIES, true, limit, None).await?;
        Ok(items.into_iter().filter_map(unpublished).collect())
    }
}

fn unpublished(found: Item) -> Option<Unpublished> {
    let (pk, sk) = (item::pk(&found)?.to_owned(), item::sk(&found)?.to_owned());
    let seq = keys::seq_of(&sk)?;
    let at = found.get("at").and_then(|at| at.as_s().ok()?.parse().ok());
    Some(Unpublished { seq, record: RecordKey { pk, sk }, at, entry: item::decode_entry(found) })
}
