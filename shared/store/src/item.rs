//! Items as they lie in the table. Every one has `entity` and `schema`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    After, Answer, Entry, Fact, Legs, Once, Player, PlayerId, dead_letter::RecordKey, stats::Stats,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    keys::{self, Address},
};

pub type Item = HashMap<String, AttributeValue>;

/// Version of the items below; raised when one changes shape.
pub const SCHEMA: u8 = 1;

/// Key and description, then the item's own attributes.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    pk: String,
    sk: String,
    entity: String,
    schema: u8,
    #[serde(flatten)]
    body: T,
}

/// An entry without what its key says already.
#[derive(Serialize, Deserialize)]
struct EntryBody {
    at: Timestamp,
    fact: Fact,
    legs: Legs,
    after: After,
    trace_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    once: Option<Once>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
}

/// Points from an idempotency key to the entry that used it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pointer {
    pub player: PlayerId,
    pub seq: u64,
    pub request_hash: String,
}

/// Points from a name to its player.
#[derive(Serialize, Deserialize)]
pub struct Owner {
    pub player: PlayerId,
}

/// Encodes `body` as the item at `address`.
pub fn encode<T: Serialize>(address: Address, entity: &str, body: T) -> Result<Item> {
    let Address { pk, sk } = address;
    let stored =
        Stored { pk: pk.clone(), sk: sk.clone(), entity: entity.to_owned(), schema: SCHEMA, body };
    serde_dynamo::to_item(stored).map_err(|source| Error::Corrupt {
        pk,
        sk,
        source: Box::new(source),
    })
}

/// Decodes an item's own attributes.
pub fn decode<T: DeserializeOwned>(item: Item) -> Result<T> {
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    let (pk, sk) = (text(keys::PK), text(keys::SK));
    serde_dynamo::from_item::<_, T>(item).map_err(|source| Error::Corrupt {
        pk,
        sk,
        source: Box::new(source),
    })
}

pub fn pk(item: &Item) -> Option<&str> {
    item.get(keys::PK)?.as_s().ok().map(String::as_str)
}

pub fn sk(item: &Item) -> Option<&str> {
    item.get(keys::SK)?.as_s().ok().map(String::as_str)
}

pub fn entity(item: &Item) -> Option<&str> {
    item.get("entity")?.as_s().ok().map(String::as_str)
}

pub fn encode_state(player: &Player) -> Result<Item> {
    encode(keys::state(player.id), "player", player)
}

pub fn decode_state(item: Item) -> Result<Player> {
    decode(item)
}

pub fn encode_entry(entry: &Entry) -> Result<Item> {
    let entry = entry.clone();
    let address = keys::entry(entry.player, entry.seq);
    let Entry { at, fact, legs, after, trace_id, once, answer, .. } = entry;
    encode(address, "entry", EntryBody { at, fact, legs, after, trace_id, once, answer })
}

/// Decodes a journal entry, from a read or from a stream record's new image.
///
/// # Errors
/// [`Error::Corrupt`] when it is not an entry of this build.
pub fn decode_entry(item: impl Into<serde_dynamo::Item>) -> Result<Entry> {
    let stored: Stored<EntryBody> =
        serde_dynamo::from_item(item.into()).map_err(|source| corrupt("?", "?", source))?;
    let Stored { pk, sk, body, .. } = stored;
    let (Some(player), Some(seq)) = (keys::player_of(&pk), keys::seq_of(&sk)) else {
        return Err(no_entrys_key(&pk, &sk));
    };
    let EntryBody { at, fact, legs, after, trace_id, once, answer } = body;
    Ok(Entry { player, seq, at, fact, legs, after, trace_id, once, answer })
}

/// Whose entry a stream record is about, and which, even where the entry is unreadable.
pub fn entry_key(keys: impl Into<serde_dynamo::Item>) -> Option<(PlayerId, u64)> {
    let RecordKey { pk, sk } = serde_dynamo::from_item(keys.into()).ok()?;
    keys::player_of(&pk).zip(keys::seq_of(&sk))
}

pub fn encode_stats(player: PlayerId, stats: &Stats) -> Result<Item> {
    encode(keys::stats_view(player), "stats", stats)
}

pub fn no_entrys_key(pk: &str, sk: &str) -> Error {
    corrupt(pk, sk, "not the key of an entry")
}

fn corrupt(
    pk: &str,
    sk: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Corrupt { pk: pk.to_owned(), sk: sk.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests;
