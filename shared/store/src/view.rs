//! Reads: the state alone, or everything a screen needs in one query.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{Entry, Player, PlayerId, stats::Stats};

use crate::{
    Store, Subject, boxed,
    error::{Error, Result, classify, done_or_needless},
    item::{self, Item},
    keys,
};

/// Items of the screen query's first page: the view, the state and as many of the
/// newest entries as the projections usually have yet to fold.
const FIRST_PAGE: i32 = 6;

/// Items of a further page, when they lag.
const FURTHER_PAGE: i32 = 50;

/// A player with views that are as new as the state.
#[derive(Clone, Debug)]
pub struct Opened {
    pub player: Player,
    pub stats: Stats,
    /// What the stored statistics had folded in; the rest was folded just now.
    pub stored_seq: u64,
    /// That rest, oldest first.
    pub folded: Vec<Entry>,
}

impl Store {
    /// The player's state, strongly consistent.
    ///
    /// # Errors
    /// [`Error::PlayerNotFound`], [`Error::Unavailable`], what the subject's token no
    /// longer allows.
    #[boxed]
    pub async fn player(&self, subject: Subject) -> Result<Player> {
        let id = subject.player();
        let answer = self
            .client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(keys::state(id).key()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        let player = item::decode_state(answer.item.ok_or(Error::PlayerNotFound(id))?)?;
        subject.admit(&player)?;
        Ok(player)
    }

    /// The player's state and views, folded up to it: never older than the
    /// caller's last write, in one round trip as long as the projections keep up.
    ///
    /// A player's items are read in descending order (views, state, entries from
    /// the newest), each consistent; an entry written during the read is newer
    /// than the state and is left for the next time.
    ///
    /// # Errors
    /// As [`Store::player`].
    #[boxed]
    pub async fn open(&self, subject: Subject) -> Result<Opened> {
        self.open_up_to(subject, u64::MAX).await
    }

    /// As [`Store::open`], with views that know nothing of entries after `newest`.
    ///
    /// # Errors
    /// As [`Store::open`].
    #[boxed]
    pub async fn open_up_to(&self, subject: Subject, newest: u64) -> Result<Opened> {
        let id = subject.player();
        let mut player: Option<Player> = None;
        let mut stats = Stats::default();
        let mut tail: Vec<Entry> = Vec::new();
        let (mut start, mut limit) = (None, FIRST_PAGE);
        loop {
            let (items, next) =
                self.page(id, keys::ENTRY_PREFIX, keys::AFTER_ALL, false, limit, start).await?;
            limit = FURTHER_PAGE;
            for found in items {
                match item::sk(&found) {
                    Some(keys::STATS_VIEW) => stats = item::decode(found)?,
                    Some(keys::STATE) => player = Some(item::decode_state(found)?),
                    _ => tail.push(item::decode_entry(found)?),
                }
            }
            let reached = tail.last().is_some_and(|oldest| oldest.seq <= stats.applied_seq + 1);
            if reached || next.is_none() {
                break;
            }
            start = next;
        }
        let player = player.ok_or(Error::PlayerNotFound(id))?;
        subject.admit(&player)?;
        let stored_seq = stats.applied_seq;
        let newest = newest.min(player.version);
        tail.retain(|entry| (stored_seq + 1..=newest).contains(&entry.seq));
        tail.reverse();
        for entry in &tail {
            stats.fold(entry);
        }
        Ok(Opened { player, stats, stored_seq, folded: tail })
    }

    /// Up to `limit` entries after `seq`, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn entries_after(&self, id: PlayerId, seq: u64, limit: i32) -> Result<Vec<Entry>> {
        let from = keys::entry_sk(seq.saturating_add(1));
        let (items, _) = self.page(id, &from, keys::AFTER_ENTRIES, true, limit, None).await?;
        items.into_iter().map(item::decode_entry).collect()
    }

    /// Up to `limit` entries before `seq`, newest first, in one round trip with the
    /// state that says whether the subject may see them.
    ///
    /// # Errors
    /// As [`Store::player`].
    #[boxed]
    pub async fn history(&self, subject: Subject, seq: u64, limit: i32) -> Result<Vec<Entry>> {
        let to = keys::entry_sk(seq.saturating_sub(1));
        let page = self.page(subject.player(), keys::ENTRY_PREFIX, &to, false, limit, None);
        let (_, (items, _)) = tokio::try_join!(self.player(subject), page)?;
        items.into_iter().map(item::decode_entry).collect()
    }

    /// Stores statistics, unless newer ones are there already.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn save_stats(&self, id: PlayerId, stats: &Stats) -> Result<()> {
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item::encode_stats(id, stats)?))
            .condition_expression("attribute_not_exists(pk) OR applied_seq < :seq")
            .expression_attribute_values(":seq", AttributeValue::N(stats.applied_seq.to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        done_or_needless(answer)
    }

    /// One page of a player's items with sort keys from `from` to `to`.
    pub(crate) async fn page(
        &self,
        id: PlayerId,
        from: &str,
        to: &str,
        forward: bool,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        let answer = self
            .client
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(keys::player(id)))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
            .scan_index_forward(forward)
            .consistent_read(true)
            .limit(limit)
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}
