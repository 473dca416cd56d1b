//! Events → `events_log` and its views, each event once.
//!
//! ```text
//!  look up ──► insert what is absent ──► look up ──► feed the views ──► mark
//!     ▲              one part                │        token per view
//!     └──────────── still absent ◄───────────┘
//! ```
//!
//! - *Look up* decides, not a deduplication window: whatever was loaded at any
//!   time, in any batch, is found by its primary key and left alone.
//! - *Insert* is one block for one month, hence one part: all of it or nothing.
//!   What it wrote is a **load**, a fixed set of rows that carry its token.
//! - *Feed* copies a load through `events_feed` to the views under the load's
//!   token. It reads the table, not the batch, so it is the same block however
//!   the batch was cut, and each view takes it once.
//! - *Mark* says that a load has reached every view. A load without its mark
//!   was interrupted, by us or by whoever loaded these events before; it is
//!   fed now. Nothing is acknowledged before.
//!
//! An insert may take effect when its invocation is long gone and the batch has
//! come again, cut otherwise. Its deduplication token is therefore not of its rows
//! but of its **place**: the first event that is absent. A stream is delivered in
//! order, from no later than what was last acknowledged, so whoever looks finds
//! everything before some event and nothing from there on; and that event only
//! ever comes with a block that begins with it. All such blocks, of whatever
//! length, bear one token: one of them is written, the others do nothing, and what
//! they had more is absent at the next look.

use std::collections::{BTreeMap, HashMap, HashSet};

use clickhouse::Row;
use jiff::{Timestamp, tz::TimeZone};
use runtime::clickhouse::{ClickHouse, Error, Turn, hex, insert_absent};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::decode::{Event, Key};

/// Keys per look-up: with the longest names 150 KB, within the 256 KiB that
/// `max_query_size` allows.
const KEYS_PER_QUERY: usize = 1000;

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub inserted: usize,
    /// Were there already.
    pub present: usize,
}

/// Loads the events, in order of their months. Each key must occur once.
///
/// # Errors
/// Some may have been loaded; calling again loads the others.
pub async fn events(server: &ClickHouse, events: Vec<Event>) -> Result<Loaded, Error> {
    let mut months: BTreeMap<i32, Vec<Event>> = BTreeMap::new();
    for event in events {
        months.entry(month(event.ts)).or_default().push(event);
    }
    let mut loaded = Loaded::default();
    for events in months.values() {
        let inserted = load_month(server, events).await?;
        loaded.inserted += inserted;
        loaded.present += events.len() - inserted;
    }
    Ok(loaded)
}

async fn load_month(server: &ClickHouse, events: &[Event]) -> Result<usize, Error> {
    let (found, inserted) = insert_absent(
        events,
        || look_up(server, events),
        |found, event| found.contains_key(&event.key()),
        place,
        |absent, turn| insert(server, absent, turn),
    )
    .await?;
    for load in interrupted(server, found.into_values().collect()).await? {
        feed(server, &load).await?;
        mark(server, &load).await?;
    }
    Ok(inserted)
}

#[derive(Deserialize, Row)]
struct Found {
    #[serde(with = "clickhouse::serde::uuid")]
    user_id: Uuid,
    seq: u64,
    load_token: String,
}

/// Which of the events are in the table, and by which load.
async fn look_up(server: &ClickHouse, events: &[Event]) -> Result<HashMap<Key, String>, Error> {
    let mut found = HashMap::with_capacity(events.len());
    for events in events.chunks(KEYS_PER_QUERY) {
        for row in server.fetch::<Found>(&look_up_sql(events)).await? {
            let key = (row.user_id, row.seq);
            if found.insert(key, row.load_token).is_some() {
                tracing::error!(user_id = %key.0, seq = key.1, "an event is in events_log twice");
            }
        }
    }
    Ok(found)
}

/// By the whole sorting key, so that the primary index finds each key's place.
/// The keys are a table in text, which the server reads four times faster than
/// a list of literals. Nothing in it needs escaping: `decode` let only plain
/// names through.
fn look_up_sql(events: &[Event]) -> String {
    let keys: Vec<_> = events
        .iter()
        .map(|e| format!("{}\t{}\t{}\t{}", e.event_type, date_time(e.ts), e.user_id, e.seq))
        .collect();
    let (first_ms, last_ms) = span(events.iter());
    format!(
        "SELECT user_id, seq, load_token FROM events_log \
         WHERE event_date BETWEEN '{}' AND '{}' AND (event_type, ts, user_id, seq) IN \
         (SELECT * FROM format(TSV, 'event_type String, ts DateTime64(3, \\'UTC\\'), \
         user_id UUID, seq UInt64', '{}'))",
        utc(first_ms).date(),
        utc(last_ms).date(),
        keys.join("\n")
    )
}

/// First and last instant of the events, in milliseconds.
fn span<'a>(events: impl Iterator<Item = &'a Event> + Clone) -> (i64, i64) {
    let first_ms = events.clone().map(|event| event.ts).min().unwrap_or(0);
    let last_ms = events.map(|event| event.ts).max().unwrap_or(0);
    (first_ms, last_ms)
}

#[derive(Serialize, Row)]
struct EventRow {
    event_type: String,
    ts: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    user_id: Uuid,
    seq: u64,
    trace_id: String,
    idempotency_key: Option<String>,
    version: u8,
    payload: String,
    load_token: String,
}

async fn insert(server: &ClickHouse, events: Vec<&Event>, turn: Turn) -> Result<(), Error> {
    let load_token = Load::of(&events, turn.attempt).token;
    let rows: Vec<_> = events
        .iter()
        .map(|event| EventRow {
            event_type: event.event_type.clone(),
            ts: event.ts,
            user_id: event.user_id,
            seq: event.seq,
            trace_id: event.trace_id.clone(),
            idempotency_key: event.idempotency_key.clone(),
            version: event.version,
            payload: event.payload.clone(),
            load_token: load_token.clone(),
        })
        .collect();
    server.insert("events_log", &rows, &turn.token).await
}

/// The place of all blocks that begin with the event. By the whole sorting key, as it
/// is looked up: an impostor with another's number takes nobody's place.
fn place(Event { event_type, ts, user_id, seq, .. }: &Event) -> String {
    format!("{event_type}:{ts}:{user_id}:{seq}")
}

/// A set of rows that one insert wrote.
#[derive(Debug, PartialEq, Eq)]
struct Load {
    /// `<first ts>-<last ts>-<hash>`: the token says where its rows are.
    token: String,
    first_ms: i64,
    last_ms: i64,
}

impl Load {
    fn of(events: &[&Event], attempt: u8) -> Self {
        let mut hash = Sha256::new();
        hash.update([attempt]);
        for event in events {
            hash.update(event.user_id);
            hash.update(event.seq.to_be_bytes());
        }
        let (first_ms, last_ms) = span(events.iter().copied());
        let hash = hex(&hash.finalize()[..16]);
        Self { token: format!("{first_ms}-{last_ms}-{hash}"), first_ms, last_ms }
    }

    fn parse(token: &str) -> Option<Self> {
        let mut parts = token.split('-');
        let (first_ms, last_ms, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let well_formed = parts.next().is_none() && hash.bytes().all(|b| b.is_ascii_hexdigit());
        well_formed.then_some(Self {
            token: token.to_owned(),
            first_ms: first_ms.parse().ok()?,
            last_ms: last_ms.parse().ok()?,
        })
    }

    /// The load's rows in `events_log`.
    fn filter(&self) -> String {
        format!(
            "load_token = '{}' AND ts BETWEEN '{first}' AND '{last}' \
             AND event_date BETWEEN '{first_day}' AND '{last_day}'",
            self.token,
            first = date_time(self.first_ms),
            last = date_time(self.last_ms),
            first_day = utc(self.first_ms).date(),
            last_day = utc(self.last_ms).date(),
        )
    }
}

#[derive(Deserialize, Row)]
struct Marked {
    load_token: String,
}

/// Those of the loads that are not known to have reached every view.
async fn interrupted(server: &ClickHouse, tokens: HashSet<String>) -> Result<Vec<Load>, Error> {
    let mut loads = BTreeMap::new();
    for token in tokens {
        let load = Load::parse(&token).ok_or_else(|| Error::Foreign(token.clone()))?;
        loads.insert(token, load);
    }
    let list: Vec<_> = loads.keys().map(|token| format!("'{token}'")).collect();
    for list in list.chunks(KEYS_PER_QUERY) {
        let sql = format!(
            "SELECT load_token FROM events_loaded WHERE load_token IN ({})",
            list.join(",")
        );
        for marked in server.fetch::<Marked>(&sql).await? {
            loads.remove(&marked.load_token);
        }
    }
    Ok(loads.into_values().collect())
}

/// One block in one order, whatever parts the rows lie in by now.
async fn feed(server: &ClickHouse, load: &Load) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO events_feed SELECT * FROM events_log WHERE {} \
         ORDER BY event_type, ts, user_id, seq",
        load.filter()
    );
    let settings = [
        ("insert_deduplication_token", load.token.as_str()),
        ("deduplicate_blocks_in_dependent_materialized_views", "1"),
        ("materialized_views_ignore_errors", "0"),
        ("max_insert_threads", "1"),
    ];
    server.execute(&sql, &settings).await
}

/// Once more does no harm, so no token keeps a second mark out: a server that is killed
/// may have taken note of a token whose row it did not keep, and would refuse it then.
async fn mark(server: &ClickHouse, load: &Load) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO events_loaded (load_token, rows) SELECT '{}', count() FROM events_log WHERE {}",
        load.token,
        load.filter()
    );
    server.execute(&sql, &[("insert_deduplicate", "0")]).await
}

fn utc(ms: i64) -> jiff::civil::DateTime {
    let instant = Timestamp::from_millisecond(ms).expect("decode lets only 1970 to 2100 through");
    instant.to_zoned(TimeZone::UTC).datetime()
}

/// `2026-11-21 01:02:03.456`, as the server reads it for its UTC columns.
fn date_time(ms: i64) -> String {
    utc(ms).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// The partition: one number per month.
fn month(ms: i64) -> i32 {
    let at = utc(ms);
    i32::from(at.year()) * 12 + i32::from(at.month())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(ts: i64, seq: u64) -> Event {
        Event {
            event_type: "user.login".into(),
            ts,
            user_id: Uuid::from_u128(1),
            seq,
            trace_id: String::new(),
            idempotency_key: None,
            version: 1,
            payload: "{}".into(),
        }
    }

    #[test]
    fn a_token_depends_on_the_events_and_says_where_they_are() {
        let (a, b) = (event(1_000, 1), event(2_500, 2));
        let load = Load::of(&[&a, &b], 0);
        assert!(load.token.starts_with("1000-2500-"), "{}", load.token);
        assert_eq!(Load::parse(&load.token).as_ref(), Some(&load));
        assert_eq!(load, Load::of(&[&a, &b], 0));
        assert_ne!(load, Load::of(&[&a, &b], 1));
        assert_ne!(load, Load::of(&[&a], 0));
    }

    #[test]
    fn places_differ_and_blocks_that_begin_alike_are_loads_of_their_own() {
        let (a, b, c) = (event(1, 1), event(1, 2), event(1, 3));
        assert_ne!(place(&a), place(&b));
        assert_ne!(Load::of(&[&a, &b, &c], 0), Load::of(&[&a, &b], 0));
    }

    #[test]
    fn trusts_no_token_it_did_not_make() {
        for token in ["", "1-2", "1-2-x' OR 1", "1-2-ab-3", "a-2-ab"] {
            assert_eq!(Load::parse(token), None, "{token}");
        }
    }

    #[test]
    fn looks_up_by_the_whole_sorting_key() {
        let sql = look_up_sql(&[event(1_795_222_923_456, 7)]);
        assert!(sql.contains("(event_type, ts, user_id, seq) IN"), "{sql}");
        assert!(
            sql.contains(
                "'user.login\t2026-11-21 01:02:03.456\t00000000-0000-0000-0000-000000000001\t7'"
            ),
            "{sql}"
        );
        assert_eq!(date_time(1_000), "1970-01-01 00:00:01.000");
    }
}
