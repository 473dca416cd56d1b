//! ClickHouse, as far as the loader can tell: what `olap-load` sends, and what a
//! server that keeps the schema's promises makes of it.
//!
//! What it stands for, and which tests hold the real engine to the same:
//!
//! | behaviour | real engine |
//! |---|---|
//! | an insert of one month is one part: all of it or nothing | `analytics::loader`, kills at any moment |
//! | a token that the table has seen in a month makes the insert do nothing, whatever its rows; the table remembers [`WINDOW`] of them | `…_when_invocations_race`, `…_cut_otherwise` |
//! | a statement that its sender gave up on goes on, and may take effect at any time after | the same, as far as a race shows it |
//! | the feed writes one view's table after the other; an error leaves some of them unwritten; under the load's token each takes a load once | `completes_the_views_…` |
//! | without `deduplicate_blocks_in_dependent_materialized_views` a view takes every block | none: its documentation |
//! | a server that is killed may know a token whose rows it has lost | none: as the loader has it (`ATTEMPTS`) |
//! | queries see whole parts only | `analytics::loader`, kills at any moment |
//!
//! Any other statement is refused, and the run says so. What merges do, what SQL
//! means, and the wire format are the real engine's matter
//! alone (`tests/analytics`); `tests/crash` has it beneath the whole product.
//!
//! Time, chance and faults are the simulation's: each statement waits at the wire
//! as every call does, and is answered, held back, cut off, refused or too late.

mod sql;
mod views;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use aws_sdk_dynamodb::config::AsyncSleep;
use clickhouse::error::Error;
use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use runtime::clickhouse::{ANSWER, Port, Statement};
use serde_json::{Value, json};

use crate::{
    history::Event,
    plant::Plant,
    wire::{Timers, Turn},
    world::{Call, Failure, Reply, Shared, World},
};
use sql::{Filter, Sql};

/// `non_replicated_deduplication_window` of every table.
const WINDOW: usize = 20_000;

/// The way to the server.
pub struct Link(pub Shared);

impl Link {
    pub fn port(world: &Shared) -> Arc<dyn Port> {
        Arc::new(Self(world.clone()))
    }
}

impl Port for Link {
    fn run(&self, statement: Statement) -> BoxFuture<'static, Result<Vec<u8>, Error>> {
        let world = self.0.clone();
        async move {
            let call = Call {
                by: 0,
                function: "",
                service: "clickhouse",
                operation: sql::name(&statement.sql),
                body: serde_json::to_vec(&statement).expect("statements serialize"),
                socket: String::new(),
            };
            let ticket = world.lock().park(call);
            let patience = Timers(world.clone()).sleep(ANSWER);
            match select(Turn { world, ticket }, patience).await {
                Either::Left((Ok(Reply { status: 200, body }), _)) => Ok(body),
                Either::Left((Ok(reply), _)) => Err(Error::BadResponse(text_of(&reply))),
                Either::Left((Err(Failure::Timeout), _)) | Either::Right(_) => Err(Error::TimedOut),
                Either::Left((Err(Failure::Disconnect), _)) => {
                    Err(Error::Network("cut off".into()))
                }
            }
        }
        .boxed()
    }
}

/// As the server words it. The injector knows only AWS's words.
fn text_of(Reply { status, body }: &Reply) -> String {
    match (status, String::from_utf8_lossy(body)) {
        (502, text) => text.into_owned(),
        (_, text) if text.starts_with("Code: ") => text.into_owned(),
        (400, _) => "Code: 252. DB::Exception: Too many parts (injected)".to_owned(),
        _ => "Code: 241. DB::Exception: Memory limit exceeded (injected)".to_owned(),
    }
}

/// A row of `events_log`.
#[derive(Clone, Debug)]
struct Row {
    event_type: String,
    ts: i64,
    user_id: String,
    seq: u64,
    load_token: String,
    payload: Value,
}

impl Row {
    fn read(row: &Value) -> Option<Self> {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        Some(Self {
            event_type: text("event_type")?,
            ts: row["ts"].as_i64()?,
            user_id: text("user_id")?,
            seq: row["seq"].as_u64()?,
            load_token: text("load_token")?,
            payload: serde_json::from_str(row["payload"].as_str()?).ok()?,
        })
    }
}

/// The server. What it keeps besides is in the history: every block of every table.
#[derive(Debug, Default)]
pub struct Server {
    log: Vec<Row>,
    loaded: BTreeSet<String>,
    rejected: Vec<Value>,
    /// What each table remembers.
    tokens: BTreeMap<&'static str, Window>,
}

/// Partitions and tokens, oldest first.
#[derive(Debug, Default)]
struct Window {
    order: VecDeque<(i64, String)>,
    known: HashSet<(i64, String)>,
}

impl Server {
    /// Takes note of a table's token, unless it is known.
    fn is_new(&mut self, table: &'static str, month: i64, token: &str) -> bool {
        let Window { order, known } = self.tokens.entry(table).or_default();
        let token = (month, token.to_owned());
        let new = known.insert(token.clone());
        if new {
            order.push_back(token);
        }
        if order.len() > WINDOW
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        new
    }

    fn rows<'s>(&'s self, filter: &'s Filter) -> impl Iterator<Item = &'s Row> {
        self.log.iter().filter(|row| {
            row.load_token == filter.token
                && filter.between.contains(&row.ts)
                && filter.days.contains(&sql::day(row.ts))
        })
    }
}

fn answer(rows: Vec<Value>) -> Reply {
    Reply { status: 200, body: Value::from(rows).to_string().into_bytes() }
}

fn exception(code: u16, message: &str) -> Reply {
    let body = format!("Code: {code}. DB::Exception: {message}").into_bytes();
    Reply { status: if code == 241 { 500 } else { 400 }, body }
}

impl World {
    /// Carries a statement out.
    pub fn clickhouse(&mut self, call: &Call) -> Reply {
        let statement = call.json();
        let text = statement["sql"].as_str().unwrap_or_default();
        let setting = |name: &str| {
            let settings = statement["settings"].as_array().into_iter().flatten();
            let found = settings.into_iter().find(|setting| setting[0] == name);
            found.and_then(|setting| setting[1].as_str()).map(str::to_owned)
        };
        let token = setting("insert_deduplication_token");
        let (shape, literals) = sql::dissect(text);
        match sql::parse(&shape, &literals) {
            Some(Sql::LookUp { days, keys }) => {
                let rows = self.clickhouse.log.iter().filter(|row| {
                    days.contains(&sql::day(row.ts))
                        && keys
                            .get(&(row.user_id.as_str(), row.seq))
                            .is_some_and(|(kind, ts)| *kind == row.event_type && *ts == row.ts)
                });
                let found = |row: &Row| json!({ "user_id": row.user_id, "seq": row.seq, "load_token": row.load_token });
                answer(rows.map(found).collect())
            }
            Some(Sql::Marks(tokens)) => {
                let tokens = tokens.iter().filter(|token| self.clickhouse.loaded.contains(*token));
                answer(tokens.map(|token| json!({ "load_token": token })).collect())
            }
            Some(Sql::Rejected(digests)) => {
                let asked = |row: &&Value| digests.iter().any(|digest| row["digest"] == **digest);
                answer(self.clickhouse.rejected.iter().filter(asked).cloned().collect())
            }
            Some(Sql::Reject) => {
                let rows = statement["rows"].as_array().cloned().unwrap_or_default();
                let new = |token: String| self.clickhouse.is_new("events_rejected", 0, &token);
                if token.is_none_or(new) {
                    self.clickhouse.rejected.extend_from_slice(&rows);
                    self.store(call, "events_rejected", rows);
                }
                answer(vec![])
            }
            Some(Sql::Forget) => answer(vec![]),
            Some(Sql::Insert) => self.insert(call, &statement["rows"], token),
            Some(Sql::Feed(filter)) => {
                let once = setting("deduplicate_blocks_in_dependent_materialized_views");
                self.feed(call, &filter, token.filter(|_| once.as_deref() == Some("1")))
            }
            Some(Sql::Mark(filter)) => {
                let rows = self.clickhouse.rows(&filter).count();
                self.clickhouse.loaded.insert(filter.token.to_owned());
                let block = vec![json!({ "load_token": filter.token, "rows": rows })];
                self.store(call, "events_loaded", block);
                answer(vec![])
            }
            None => {
                let why = format!("ClickHouse has no model of {text}");
                self.note(Event::Stuck { why });
                exception(62, "Syntax error")
            }
        }
    }

    fn store(&mut self, call: &Call, table: &'static str, rows: Vec<Value>) {
        self.note(Event::Stored { by: call.by, table, rows });
    }

    fn insert(&mut self, call: &Call, rows: &Value, token: Option<String>) -> Reply {
        let given = rows.as_array().cloned().unwrap_or_default();
        let Some(rows) = given.iter().map(Row::read).collect::<Option<Vec<_>>>() else {
            return exception(27, "Cannot parse input");
        };
        let months: BTreeSet<_> = rows.iter().map(|row| sql::month(row.ts)).collect();
        let Some(month) = months.first().filter(|_| months.len() == 1) else {
            let why = format!("an insert of {} months is no one part", months.len());
            self.note(Event::Stuck { why });
            return exception(252, "Too many partitions");
        };
        // Without a token the engine compares blocks; no two have the same loaded_at.
        let new = token.is_none_or(|token| self.clickhouse.is_new("events_log", *month, &token));
        if !new {
            return answer(vec![]);
        }
        let killed = !self.calm && self.rng.chance(self.weather.faults / 20);
        if killed {
            return Reply { status: 502, body: b"502 Bad Gateway".to_vec() };
        }
        self.clickhouse.log.extend(rows);
        self.store(call, "events_log", given);
        answer(vec![])
    }

    /// Each view takes the load, unless it has; now and then not all get to it.
    fn feed(&mut self, call: &Call, filter: &Filter, token: Option<String>) -> Reply {
        let rows: Vec<Row> = self.clickhouse.rows(filter).cloned().collect();
        let fails = !self.calm && self.rng.chance(self.weather.faults / 4);
        for (table, view) in views::ALL {
            if fails && self.rng.chance(500) {
                continue;
            }
            let block = view(&rows);
            let (Some(first), false) = (rows.first(), block.is_empty()) else { continue };
            let month = sql::month(first.ts);
            let new =
                token.as_ref().is_none_or(|token| self.clickhouse.is_new(table, month, token));
            if new {
                self.store(call, table, block);
            }
        }
        if fails { exception(241, "Memory limit exceeded in a view") } else { answer(vec![]) }
    }
}

/// The statement as a loader with the planted defect would send it.
pub fn planted(plant: Plant, statement: &mut Value) {
    let (drop, instead) = match plant {
        Plant::NoInsertToken => ("insert_deduplication_token", None),
        Plant::InsertTokenOfRows => {
            ("insert_deduplication_token", statement["rows"][0]["load_token"].as_str())
        }
        Plant::FeedCountsAgain => ("deduplicate_blocks_in_dependent_materialized_views", None),
        _ => return,
    };
    let inserts = statement["sql"] == "INSERT INTO events_log";
    if plant != Plant::FeedCountsAgain && !inserts {
        return;
    }
    let instead = instead.map(|token| json!([drop, token]));
    if let Some(settings) = statement["settings"].as_array_mut() {
        settings.retain(|setting| setting[0] != drop);
        settings.extend(instead);
    }
}
