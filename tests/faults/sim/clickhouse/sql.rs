//! The statements of the loader, and no others.

use std::{collections::HashMap, ops::RangeInclusive};

use jiff::{
    civil::{Date, DateTime},
    tz::TimeZone,
};

/// Player and number of an event.
type Id<'s> = (&'s str, u64);
/// The rest of its sorting key: type, and time in milliseconds.
type Place<'s> = (&'s str, i64);

/// A statement, understood.
pub enum Sql<'s> {
    LookUp {
        days: RangeInclusive<i64>,
        keys: HashMap<Id<'s>, Place<'s>>,
    },
    Marks(&'s [String]),
    /// Digests of records that may have been set aside.
    Rejected(&'s [String]),
    Reject,
    /// With rows of its own.
    Insert,
    Feed(Filter<'s>),
    Mark(Filter<'s>),
    /// Telemetry of who was erased, of which the simulation has none.
    Forget,
}

/// The rows of a load.
pub struct Filter<'s> {
    pub token: &'s str,
    pub between: RangeInclusive<i64>,
    pub days: RangeInclusive<i64>,
}

const LOOK_UP: &str = "SELECT user_id, seq, load_token FROM events_log \
     WHERE event_date BETWEEN ? AND ? AND (event_type, ts, user_id, seq) IN \
     (SELECT * FROM format(TSV, ?, ?))";
const MARKS: &str = "SELECT load_token FROM events_loaded WHERE load_token IN (?)";
const REJECTED: &str =
    "SELECT shard_id, sequence_number, digest FROM events_rejected WHERE digest IN (?)";
const REJECT: &str = "INSERT INTO events_rejected";
const INSERT: &str = "INSERT INTO events_log";
const FEED: &str = "INSERT INTO events_feed SELECT * FROM events_log WHERE load_token = ? \
     AND ts BETWEEN ? AND ? AND event_date BETWEEN ? AND ? ORDER BY event_type, ts, user_id, seq";
const MARK: &str = "INSERT INTO events_loaded (load_token, rows) SELECT ?, count() FROM events_log \
     WHERE load_token = ? AND ts BETWEEN ? AND ? AND event_date BETWEEN ? AND ?";

const FORGET: &str = "DELETE FROM telemetry_events WHERE user_id IN (?)";

/// What the history calls a statement.
pub fn name(sql: &str) -> String {
    let name = match (sql.split(' ').next(), sql) {
        (Some("SELECT"), _) if sql.contains("FROM events_log") => "look up",
        (Some("SELECT"), _) if sql.contains("FROM events_rejected") => "rejected",
        (Some("SELECT"), _) => "marks",
        (Some("DELETE"), _) => "forget",
        (_, REJECT) => "reject",
        _ if sql.starts_with(FEED.split('?').next().unwrap_or(FEED)) => "feed",
        _ if sql.contains("events_loaded") => "mark",
        _ => "insert",
    };
    name.to_owned()
}

pub fn parse<'s>(shape: &str, literals: &'s [String]) -> Option<Sql<'s>> {
    match (shape, literals) {
        (LOOK_UP, [first, last, _, keys]) => {
            let keys = keys.lines().map(key).collect::<Option<_>>()?;
            Some(Sql::LookUp { days: days(first, last)?, keys })
        }
        (MARKS, tokens) => Some(Sql::Marks(tokens)),
        (REJECTED, digests) => Some(Sql::Rejected(digests)),
        (REJECT, []) => Some(Sql::Reject),
        (INSERT, []) => Some(Sql::Insert),
        (FORGET, [_, ..]) => Some(Sql::Forget),
        (FEED, load) => filter(load).map(Sql::Feed),
        // The first names the load, and the filter does so again.
        (MARK, [token, load @ ..]) if load.first() == Some(token) => filter(load).map(Sql::Mark),
        _ => None,
    }
}

/// The statement with a `?` for each literal or list of literals, and these.
pub fn dissect(sql: &str) -> (String, Vec<String>) {
    let (mut shape, mut literals) = (String::new(), Vec::new());
    let mut characters = sql.chars();
    while let Some(character) = characters.next() {
        if character != '\'' {
            shape.push(character);
            continue;
        }
        let mut literal = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\'' => break,
                '\\' => literal.extend(characters.next()),
                other => literal.push(other),
            }
        }
        literals.push(literal);
        if shape.ends_with("?,") {
            shape.pop();
        } else {
            shape.push('?');
        }
    }
    (shape, literals)
}

fn key(line: &str) -> Option<(Id<'_>, Place<'_>)> {
    let mut columns = line.split('\t');
    let (kind, ts) = (columns.next()?, millis(columns.next()?)?);
    Some(((columns.next()?, columns.next()?.parse().ok()?), (kind, ts)))
}

fn filter(literals: &[String]) -> Option<Filter<'_>> {
    let [token, first, last, first_day, last_day] = literals else { return None };
    let between = millis(first)?..=millis(last)?;
    Some(Filter { token, between, days: days(first_day, last_day)? })
}

fn days(first: &str, last: &str) -> Option<RangeInclusive<i64>> {
    let number = |text: &str| -> Option<i64> {
        let date: Date = text.parse().ok()?;
        Some(day(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()))
    };
    Some(number(first)?..=number(last)?)
}

fn millis(text: &str) -> Option<i64> {
    let at: DateTime = text.parse().ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// `toDate`, UTC, as the number of the day since 1970.
pub const fn day(ms: i64) -> i64 {
    ms.div_euclid(86_400_000)
}

/// That day as text.
pub fn date(ms: i64) -> String {
    at(ms).to_string()
}

/// `toYYYYMM`, UTC: the partition.
pub fn month(ms: i64) -> i64 {
    let day = at(ms);
    i64::from(day.year()) * 100 + i64::from(day.month())
}

fn at(ms: i64) -> Date {
    let at = jiff::Timestamp::from_millisecond(ms).expect("events are of this century");
    at.to_zoned(TimeZone::UTC).date()
}
