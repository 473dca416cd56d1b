//! The auditor. It shares no code with the product: it reads raw items and the
//! history, has a simple model of its own, and says what no such history allows.

mod accounts;
mod clients;
mod events;
mod frames;
mod guesses;
mod journal;
mod model;
mod purchases;
mod reads;
mod refusals;
mod rows;
pub mod slot;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    clients::Known,
    history::{Event, Evidence, Invocation},
};
use clients::Attempt;
use model::{Snap, day_of};

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The promise that was broken, in a few words.
    pub rule: &'static str,
    pub what: String,
    /// Whose history to look at.
    pub player: Option<String>,
    pub by: Vec<Invocation>,
}

/// A journal entry, as it lies in the table.
#[derive(Clone, Debug)]
pub struct Entry {
    pub seq: u64,
    pub at_ms: i64,
    pub kind: String,
    pub fact: Value,
    pub legs: BTreeMap<String, i64>,
    pub gold_after: i64,
    pub xp_after: i64,
    pub debt_after: i64,
    pub trace_id: String,
    /// Scope and key, and the hash of the request.
    pub once: Option<(String, String)>,
    pub answer: Option<(u64, String)>,
    /// When it was committed, as a place in the history, and by whom.
    pub committed: usize,
    pub by: Invocation,
}

/// Everything about one player.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub entries: Vec<Entry>,
    pub items: BTreeMap<String, Value>,
    /// After entry 0 (nothing), 1, 2 …, by the auditor's own model.
    pub snaps: Vec<Snap>,
}

impl Books {
    /// Versions that were the player's at some moment between two places of the history.
    pub fn versions(&self, from: usize, to: usize) -> std::ops::RangeInclusive<usize> {
        let before = |at: usize| self.entries.iter().filter(|entry| entry.committed < at).count();
        before(from)..=before(to)
    }

    pub fn snaps_between(&self, from: usize, to: usize) -> &[Snap] {
        let versions = self.versions(from, to);
        let last = (*versions.end()).min(self.snaps.len().saturating_sub(1));
        self.snaps.get(*versions.start()..=last).unwrap_or_default()
    }
}

/// The evidence, sorted.
pub struct Case<'e> {
    pub evidence: &'e Evidence,
    pub players: BTreeMap<String, Books>,
    /// Items that belong to no player, by partition key.
    pub others: BTreeMap<String, Value>,
    /// Entries that the table's stream never delivered.
    pub lost: BTreeSet<(String, u64)>,
    /// Where the calm began.
    pub calm: usize,
    /// The clock of each invocation at its start, milliseconds.
    pub clocks: BTreeMap<Invocation, i64>,
    /// Requests of clients.
    pub attempts: BTreeMap<Invocation, Attempt>,
    pub findings: Vec<Finding>,
}

/// Everything that is wrong.
pub fn audit(evidence: &Evidence) -> Vec<Finding> {
    let mut case = Case::open(evidence);
    case.journal();
    case.purchases();
    case.clients();
    case.guesses_are_few();
    case.events();
    case.frames();
    case.rows();
    case.findings
}

impl<'e> Case<'e> {
    fn open(evidence: &'e Evidence) -> Self {
        let history = &evidence.history;
        let mut players: BTreeMap<String, Books> = BTreeMap::new();
        let mut others = BTreeMap::new();
        for item in &evidence.items {
            let plain = plain_item(item);
            let text = |name: &str| plain[name].as_str().unwrap_or_default().to_owned();
            match text("pk").strip_prefix("PLAYER#") {
                Some(player) => {
                    players.entry(player.to_owned()).or_default().items.insert(text("sk"), plain);
                }
                None => drop(others.insert(format!("{}/{}", text("pk"), text("sk")), plain)),
            }
        }
        let mut committed = BTreeMap::new();
        let mut clocks = BTreeMap::new();
        let mut lost = BTreeSet::new();
        let mut calm = history.len();
        let mut findings = Vec::new();
        for (at, event) in history.iter().enumerate() {
            match event {
                Event::Committed { by, player, seq } => {
                    let earlier = committed.insert((player.clone(), *seq), (at, *by));
                    if let Some((_, other)) = earlier {
                        findings.push(Finding {
                            rule: "an entry is written once",
                            what: format!("entry {seq} of {player} was written twice"),
                            player: Some(player.clone()),
                            by: vec![other, *by],
                        });
                    }
                }
                Event::Request { by, clock_ms, .. } | Event::Invoked { by, clock_ms, .. } => {
                    clocks.insert(*by, *clock_ms);
                }
                Event::Lost { player, seq } => drop(lost.insert((player.clone(), *seq))),
                Event::Calm => calm = at,
                Event::Stuck { why } => findings.push(Finding {
                    rule: "the run comes to rest",
                    what: why.clone(),
                    player: None,
                    by: vec![],
                }),
                _ => {}
            }
        }
        for (player, books) in &mut players {
            for (sk, item) in &books.items {
                if sk.starts_with("ENTRY#") {
                    books.entries.push(entry(player, item, &committed));
                }
            }
            books.entries.sort_by_key(|entry| entry.seq);
        }
        let attempts = clients::attempts(history);
        Self { evidence, players, others, lost, calm, clocks, attempts, findings }
    }

    pub fn find(
        &mut self,
        rule: &'static str,
        player: Option<&str>,
        by: &[Invocation],
        what: impl Into<String>,
    ) {
        let player = player.map(str::to_owned);
        self.findings.push(Finding { rule, what: what.into(), player, by: by.to_vec() });
    }

    /// The account that was there from the beginning.
    pub fn seeded(&self, player: &str) -> Option<&'e Known> {
        self.evidence.seeded.iter().find(|seeded| seeded.id == player)
    }
}

fn entry(
    player: &str,
    item: &Value,
    committed: &BTreeMap<(String, u64), (usize, Invocation)>,
) -> Entry {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seq = text(&item["sk"]).trim_start_matches("ENTRY#").parse().unwrap_or(0);
    let (at, by) = committed.get(&(player.to_owned(), seq)).copied().unwrap_or((usize::MAX, 0));
    let legs = item["legs"].as_object().into_iter().flatten();
    let once = item["once"]["key"].as_object().and_then(|key| key.iter().next());
    let once = once.map(|(scope, key)| {
        let key = text(key);
        let id = match scope.as_str() {
            "header" => format!("ONCE#KEY#{player}#{key}"),
            "anonymous" => format!("ONCE#ANONYMOUS#{key}"),
            _ => format!("ONCE#NATURAL#{key}"),
        };
        (id, text(&item["once"]["request_hash"]))
    });
    Entry {
        seq,
        at_ms: millis(&item["at"]),
        kind: text(&item["fact"]["kind"]),
        fact: item["fact"].clone(),
        legs: legs.map(|(name, gold)| (name.clone(), gold.as_i64().unwrap_or(i64::MIN))).collect(),
        gold_after: item["after"]["gold"].as_i64().unwrap_or(i64::MIN),
        xp_after: item["after"]["total_xp"].as_i64().unwrap_or(i64::MIN),
        // Nothing is left out.
        debt_after: item["after"]["debt"].as_i64().unwrap_or(0),
        trace_id: text(&item["trace_id"]),
        once,
        answer: item["answer"].is_object().then(|| {
            (item["answer"]["status"].as_u64().unwrap_or(0), text(&item["answer"]["body"]))
        }),
        committed: at,
        by,
    }
}

/// An RFC 3339 time in milliseconds.
pub fn millis(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_default();
    text.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_millisecond)
}

/// A day `2026-11-21` as a number.
pub fn day_number(value: &Value) -> Option<i64> {
    let date: jiff::civil::Date = value.as_str()?.parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(day_of(midnight.timestamp().as_millisecond()))
}

fn plain_item(item: &Value) -> Value {
    let fields = item.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), plain(value))).collect()
}

/// A DynamoDB value as JSON.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "N" => {
            inner.as_str().and_then(|digits| serde_json::from_str(digits).ok()).unwrap_or_default()
        }
        "M" => plain_item(inner),
        "L" => inner.as_array().into_iter().flatten().map(plain).collect(),
        "NULL" => Value::Null,
        _ => inner.clone(),
    }
}

/// The part of the history that a finding is about.
pub fn excerpt(history: &[Event], finding: &Finding) -> Vec<String> {
    let mut relevant = Vec::new();
    for (at, event) in history.iter().enumerate() {
        let line = serde_json::to_string(event).unwrap_or_default();
        let of_player =
            finding.player.as_ref().is_some_and(|player| line.contains(player.as_str()));
        let by = |by: &Invocation| {
            line.contains(&format!("\"by\":{by},")) || line.contains(&format!("\"by\":{by}}}"))
        };
        let landmark = matches!(event, Event::Clock { .. } | Event::Calm);
        if of_player || landmark || finding.by.iter().any(by) {
            let cut: String = line.chars().take(400).collect();
            relevant.push(format!("{at:>6} {cut}"));
        }
    }
    relevant
}
