//! A client that wants to see everything on its socket, reconnecting as clients
//! do: `sync` from the last entry it knows, and drop what it has seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tests::{Player, Socket, eventually, has_come};
use tokio::task::JoinSet;

use crate::audit::Journal;

/// The longest gap that is told entry by entry.
const LONGEST_GAP: u64 = 60;

/// The frames of one player, by what makes them unique.
#[derive(Default)]
pub struct Witness {
    seen: BTreeMap<(u64, String), Value>,
    /// Entries of gaps that were too long to be told, so that a state came instead.
    skipped: BTreeSet<u64>,
    /// States since the last connection: the greeting, then that of a gap.
    states: u32,
    /// What was asked after on the last connection.
    since: u64,
}

/// Tasks that watch until their sockets break, and what they see, in the order of the
/// players.
pub struct Watching {
    tasks: JoinSet<()>,
    witnesses: Vec<Arc<Mutex<Witness>>>,
}

/// Connects every player. All of them listen when this returns.
pub async fn watch_all(players: &[Player], witnesses: Vec<Witness>) -> Watching {
    let mut watching = Watching { tasks: JoinSet::new(), witnesses: Vec::new() };
    for (player, mut witness) in players.iter().zip(witnesses) {
        let mut socket = witness.connect(player).await;
        let witness = Arc::new(Mutex::new(witness));
        watching.witnesses.push(witness.clone());
        watching.tasks.spawn(async move {
            while let Some(frame) = socket.next_or_end().await {
                witness.lock().expect("no panic").see(&frame);
            }
        });
    }
    watching
}

impl Watching {
    /// What they have seen when their sockets have broken.
    pub async fn join_all(self) -> Vec<Witness> {
        self.tasks.join_all().await;
        taken(self.witnesses)
    }

    /// What they have seen once each has been told of the last entry of its journal,
    /// without asking for it.
    pub async fn up_to_the_last(mut self, journals: &[Journal]) -> Vec<Witness> {
        let of_last = |(witness, journal): (&Arc<Mutex<Witness>>, &Journal)| {
            let last = journal.entries.last().expect("a signup").seq;
            witness.lock().expect("no panic").has_heard_of(last)
        };
        let all_have = || async { self.witnesses.iter().zip(journals).all(of_last) };
        eventually("everybody is told of the last entry", all_have).await;
        self.tasks.shutdown().await;
        taken(self.witnesses)
    }
}

fn taken(witnesses: Vec<Arc<Mutex<Witness>>>) -> Vec<Witness> {
    let taken =
        |witness: &Arc<Mutex<Witness>>| std::mem::take(&mut *witness.lock().expect("sound"));
    witnesses.iter().map(taken).collect()
}

impl Witness {
    async fn connect(&mut self, player: &Player) -> Socket {
        (self.states, self.since) = (0, self.resume_at());
        let mut socket = player.socket().await;
        // Not even waiting for the greeting: the answer comes after it.
        socket.send(&json!({ "action": "sync", "last_seq": self.since })).await;
        socket
    }

    /// The last entry before which nothing is missing. Whether it itself was
    /// seen whole cannot be known, so it is asked for again.
    fn resume_at(&self) -> u64 {
        let mut whole = 0;
        while self.has_heard_of(whole + 1) {
            whole += 1;
        }
        whole.saturating_sub(1)
    }

    fn has_heard_of(&self, seq: u64) -> bool {
        let frames = (seq, String::new())..(seq + 1, String::new());
        self.skipped.contains(&seq) || self.seen.range(frames).next().is_some()
    }

    /// Takes note of a frame of an entry. The others describe the connection, or
    /// what the statistics are by now.
    fn see(&mut self, frame: &Value) {
        let kind = frame["type"].as_str().expect("a type").to_owned();
        let seq = frame["seq"].as_u64().expect("a seq");
        if kind == "initial_state" {
            self.states += 1;
            if self.states > 1 {
                assert!(seq - self.since > LONGEST_GAP, "from {} to {seq} is no gap", self.since);
                self.skipped.extend(self.since + 1..=seq);
            }
        }
        // What tells of no entry is for who is there.
        if matches!(kind.as_str(), "sync_connected" | "initial_state" | "stats_update") || seq == 0
        {
            return;
        }
        let key = (seq, kind);
        match self.seen.get(&key) {
            Some(before) => assert_eq!(before, frame, "one frame, two contents"),
            None => drop(self.seen.insert(key, frame.clone())),
        }
    }

    /// Connects a last time, and has then seen every frame of the journal and
    /// nothing else; the answer to `sync` itself repeats nothing.
    pub async fn completes(mut self, journal: &Journal, players: &[Player]) {
        let player = players.iter().find(|player| player.id == journal.player.to_string());
        let last = journal.entries.last().expect("a signup").seq;
        let mut socket = self.connect(player.expect("one of ours")).await;
        let since = self.since;
        assert!(last - since <= LONGEST_GAP, "watched to {since}, and {last} are there");
        socket.until_frame(|frame| frame["type"] == "stats_update" && frame["seq"] == last).await;
        let mut answered = BTreeMap::new();
        for frame in &socket.frames {
            self.see(frame);
            *answered.entry((frame["seq"].as_u64(), frame["type"].as_str())).or_insert(0) += 1;
        }
        let expected: BTreeMap<_, _> = journal
            .entries
            .iter()
            .flat_map(domain::frames)
            .map(|frame| {
                let frame = serde_json::to_value(frame).expect("frames serialize");
                let kind = frame["type"].as_str().expect("a type").to_owned();
                ((frame["seq"].as_u64().expect("a seq"), kind), frame)
            })
            .collect();
        for (key, frame) in &self.seen {
            assert_eq!(Some(frame), expected.get(key), "no frame of the journal");
        }
        let seen = self.seen.keys().cloned().collect();
        let told = |key: &&(u64, String)| has_come(key, &seen) || self.skipped.contains(&key.0);
        let missing: Vec<_> = expected.keys().filter(|key| !told(key)).collect();
        assert!(missing.is_empty(), "never seen: {missing:?}");
        let twice: Vec<_> = answered.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "in one answer to sync: {twice:?}");
        let of_gap = expected.keys().filter(|(seq, _)| *seq > since).count();
        assert_eq!(answered.len(), of_gap + 3, "the gap, two greetings and the statistics");
        socket.close().await;
    }

    /// How many entries came as a state only.
    pub fn skipped(&self) -> usize {
        self.skipped.len()
    }
}
