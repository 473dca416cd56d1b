//! Sockets: every frame of every entry arrives or can be asked for, in order, and
//! nobody gets another's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Case, Entry};
use crate::history::{Event, Invocation};

#[derive(Default)]
struct Line {
    /// Where in the history it knocked.
    from: usize,
    player: String,
    ticket: String,
    open: bool,
    /// Whether an `initial_state` came.
    greeted: bool,
    /// The latest `initial_state`, which holds everything before it.
    covered: u64,
    seen: BTreeSet<(u64, String)>,
    /// Seen before the client first asked: what was pushed.
    pushed: Option<BTreeSet<(u64, String)>>,
    latest: u64,
    asked: bool,
}

/// The frames of an entry.
fn expected(entry: &Entry) -> &'static [&'static str] {
    match entry.kind.as_str() {
        "player_signed_up" => &["profile_update", "user_action"],
        "streak_claimed" => &["profile_update", "reward_granted", "streak_update"],
        "streak_broken" => &["streak_update"],
        "session_refreshed" | "fraud_decided" => &[],
        "purchase_advanced" => match entry.fact["to"].as_str() {
            Some("succeeded" | "refunded" | "charged_back") => {
                &["profile_update", "purchase_update"]
            }
            _ => &["purchase_update"],
        },
        "player_reset" => &["profile_update", "user_action"],
        "round_settled" => &["profile_update", "game_update"],
        "item_purchased" => &["profile_update", "purchase_update"],
        _ => &["user_action"],
    }
}

/// Whether a frame came, or, of profiles, a later one, which says it again.
fn told(seen: &BTreeSet<(u64, String)>, frame: &(u64, String)) -> bool {
    let (seq, kind) = frame;
    seen.contains(frame)
        || kind == "profile_update"
            && seen.range((seq + 1, String::new())..).any(|(_, k)| k == kind)
}

impl Case<'_> {
    pub fn frames(&mut self) {
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        let mut dead: BTreeSet<String> = BTreeSet::new();
        let mut wrong: Vec<(String, Invocation, String)> = Vec::new();
        let mut intruders = Vec::new();
        let mut admitted: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (place, event) in self.evidence.history.iter().enumerate() {
            match event {
                Event::Opening { socket, player, ticket, .. } => {
                    let (player, ticket) = (player.clone(), ticket.clone());
                    let line = Line { from: place, player, ticket, ..Line::default() };
                    lines.insert(socket.clone(), line);
                }
                Event::Opened { socket } => {
                    if let Some(what) = self.uninvited_socket(place, &lines[socket]) {
                        let line = &lines[socket];
                        intruders.push((line.player.clone(), format!("{socket}: {what}")));
                    }
                    let line = lines.entry(socket.clone()).or_default();
                    line.open = true;
                    let ticket = (line.player.clone(), line.ticket.clone());
                    admitted.entry(ticket).or_default().push(socket.clone());
                }
                Event::Closed { socket } => lines.entry(socket.clone()).or_default().open = false,
                Event::DeadLetter { group, .. } => drop(dead.insert(group.clone())),
                Event::Sync { socket, .. } => {
                    let line = lines.entry(socket.clone()).or_default();
                    if place > self.calm && line.pushed.is_none() {
                        line.pushed = Some(line.seen.clone());
                    }
                    line.asked = true;
                }
                Event::Frame { by, socket, frame } => {
                    let line = lines.entry(socket.clone()).or_default();
                    if let Some(what) = self.frame(place, line, frame) {
                        wrong.push((line.player.clone(), *by, format!("{socket}: {what}")));
                    }
                }
                _ => {}
            }
        }
        for (player, by, what) in wrong {
            self.find("a frame is an entry's, and its player's", Some(&player), &[by], what);
        }
        for (player, what) in intruders {
            self.find("a ticket is good in its session", Some(&player), &[], what);
        }
        for ((player, ticket), sockets) in admitted.iter().filter(|(_, sockets)| sockets.len() > 1)
        {
            let what = format!("{ticket} opened {sockets:?}");
            self.find("a ticket opens one socket", Some(player), &[], what);
        }
        for (socket, line) in lines.iter().filter(|(_, line)| line.open) {
            let Some(books) = self.players.get(&line.player) else { continue };
            let mut late = Vec::new();
            let mut lost = Vec::new();
            for entry in &books.entries {
                for kind in expected(entry) {
                    let frame = (entry.seq, (*kind).to_owned());
                    if entry.seq > line.covered && !told(&line.seen, &frame) {
                        lost.push(frame.clone());
                    }
                    let live = line.greeted && entry.seq > line.covered;
                    if live && line.pushed.as_ref().is_some_and(|pushed| !told(pushed, &frame)) {
                        late.push(frame);
                    }
                }
            }
            let player = line.player.clone();
            if !lost.is_empty() {
                let what = format!("{socket} never saw {lost:?}");
                self.findings.push(super::Finding {
                    rule: "a frame is delivered or can be asked for",
                    what,
                    player: Some(player.clone()),
                    by: vec![],
                });
            }
            if !late.is_empty() && !dead.contains(&player) {
                let what = format!("{socket} was open and was not pushed {late:?}");
                self.findings.push(super::Finding {
                    rule: "a frame is pushed to an open socket",
                    what,
                    player: Some(player),
                    by: vec![],
                });
            }
        }
    }

    /// A ticket is good as long as the session that it was asked for in.
    fn uninvited_socket(&self, place: usize, line: &Line) -> Option<String> {
        let asked = self.attempts.values().find(|attempt| {
            attempt.operation == "ticket"
                && attempt.told().is_some_and(|b| b.contains(&line.ticket))
        })?;
        let snaps = self.players.get(&line.player)?.snaps_between(line.from, place);
        let session = asked.session.as_ref()?;
        (!snaps.iter().any(|snap| snap.session(session).is_some()))
            .then(|| "opened by a ticket of a session that has ended".to_owned())
    }

    /// What is wrong with a frame; notes it in the line.
    fn frame(&self, place: usize, line: &mut Line, frame: &Value) -> Option<String> {
        let kind = frame["type"].as_str().unwrap_or_default();
        let seq = frame["seq"].as_u64().unwrap_or(0);
        if frame["user_id"] != line.player.as_str() {
            return Some(format!("a frame of {}", frame["user_id"]));
        }
        let books = self.players.get(&line.player)?;
        let version = *books.versions(place, place).end() as u64;
        if seq > version {
            return Some(format!("{kind} {seq} before the entry was committed"));
        }
        let entry = books.entries.iter().find(|entry| entry.seq == seq);
        let trace = frame["trace_id"].as_str();
        let another = |entry: &&Entry| trace.is_some_and(|trace| trace != entry.trace_id);
        if let Some(Entry { trace_id, .. }) = entry.filter(another) {
            return Some(format!("{kind} {seq} names the trace {trace:?}, the entry {trace_id}"));
        }
        match kind {
            "sync_connected" | "pong" | "error" => return None,
            "initial_state" => {
                line.greeted = true;
                line.covered = line.covered.max(seq);
                let gold = books.snaps.get(usize::try_from(seq).ok()?).map(|snap| snap.gold);
                let shown = frame["data"]["balances"]["gold_balance"].as_i64();
                return (gold != shown)
                    .then(|| format!("state {seq} with {shown:?} gold, not {gold:?}"));
            }
            "stats_update" => {
                let snap = books.snaps.get(usize::try_from(seq).ok()?)?;
                let plays = frame["data"]["stats"]["total_games_played"].as_i64();
                return (plays != Some(snap.plays))
                    .then(|| format!("statistics {seq} with {plays:?} games, not {}", snap.plays));
            }
            _ => {}
        }
        if seq == 0 {
            // What changed nothing: a purchase that was refused, or asked for again.
            let status = frame["data"]["status"].as_str().unwrap_or_default();
            let untold = ["idempotent_reuse", "insufficient_funds", "item_purchase_failed"];
            return (kind != "purchase_update" || !untold.contains(&status))
                .then(|| format!("{kind} of no entry: {status:?}"));
        }
        let entry = entry?;
        if !expected(entry).contains(&kind) {
            return Some(format!("{kind} for entry {seq} ({})", entry.kind));
        }
        if trace.is_none() {
            return Some(format!("{kind} {seq} names no trace"));
        }
        let data = &frame["data"];
        let gold = match kind {
            "profile_update" => &data["changes"]["gold_balance"],
            "game_update" | "purchase_update" => &data["gold_balance"],
            "reward_granted" => &data["balance_after"],
            _ => &Value::Null,
        };
        let owed = data["changes"]["debt_gold"].as_i64().unwrap_or(0);
        if kind == "profile_update" && owed != entry.debt_after {
            return Some(format!("{kind} {seq} says {owed} owed, the entry {}", entry.debt_after));
        }
        let new = line.seen.insert((seq, kind.to_owned()));
        // What is new comes in order, unless the client asked. What a state has held
        // already is nothing new, however late it comes. What the stream has lost is late.
        let lost = self.lost.contains(&(line.player.clone(), seq));
        if new && seq > line.covered && seq < line.latest && !line.asked && !lost {
            return Some(format!("{kind} {seq} after frames of entry {}", line.latest));
        }
        line.latest = line.latest.max(seq);
        (!gold.is_null() && *gold != entry.gold_after)
            .then(|| format!("{kind} {seq} says {gold} gold, the entry {}", entry.gold_after))
    }
}
