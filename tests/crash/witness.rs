//! A client that wants to see everything on its socket, reconnecting as clients
//! do: `sync` from the last entry it knows, and drop what it has seen.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{Player, Socket, has_come};
use tokio::task::JoinSet;

use crate::audit::Journal;

/// The frames of one player, by what makes them unique.
#[derive(Default)]
pub struct Witness {
    seen: BTreeMap<(u64, String), Value>,
}

/// Tasks that watch until their sockets break, in the order of the players.
pub struct Watching(Vec<JoinSet<Witness>>);

/// Connects every player. All of them listen when this returns.
pub async fn watch_all(players: &[Player], witnesses: Vec<Witness>) -> Watching {
    let mut watching = Vec::new();
    for (player, mut witness) in players.iter().zip(witnesses) {
        let mut socket = witness.connect(player).await;
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Some(frame) = socket.next_or_end().await {
                witness.see(&frame);
            }
            witness
        });
        watching.push(task);
    }
    Watching(watching)
}

impl Watching {
    /// What they have seen.
    pub async fn join_all(self) -> Vec<Witness> {
        let mut witnesses = Vec::new();
        for task in self.0 {
            witnesses.extend(task.join_all().await);
        }
        witnesses
    }
}

impl Witness {
    async fn connect(&self, player: &Player) -> Socket {
        let mut socket = player.socket().await;
        socket.send(&json!({ "action": "sync", "last_seq": self.resume_at() })).await;
        socket
    }

    /// The last entry before which nothing is missing. Whether it itself was
    /// seen whole cannot be known, so it is asked for again.
    fn resume_at(&self) -> u64 {
        let mut whole = 0;
        while self.seen.range((whole + 1, String::new())..(whole + 2, String::new())).count() > 0 {
            whole += 1;
        }
        whole.saturating_sub(1)
    }

    /// Takes note of a frame of an entry. The others describe the connection, or
    /// what the statistics are by now.
    fn see(&mut self, frame: &Value) {
        let kind = frame["type"].as_str().expect("a type").to_owned();
        if matches!(kind.as_str(), "sync_connected" | "initial_state" | "stats_update") {
            return;
        }
        let key = (frame["seq"].as_u64().expect("a seq"), kind);
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
        let since = self.resume_at();
        let mut socket = self.connect(player.expect("one of ours")).await;
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
        let missing: Vec<_> = expected.keys().filter(|key| !has_come(key, &seen)).collect();
        assert!(missing.is_empty(), "never seen: {missing:?}");
        let twice: Vec<_> = answered.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "in one answer to sync: {twice:?}");
        let of_gap = expected.keys().filter(|(seq, _)| *seq > since).count();
        assert_eq!(answered.len(), of_gap + 3, "the gap, two greetings and the statistics");
        socket.close().await;
    }
}
