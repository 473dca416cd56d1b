//! The event stream: every entry at least once, in order, and nothing else. What the
//! table's stream has lost is published too, after what it has not lost.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Case;
use crate::history::Event;

impl Case<'_> {
    pub fn events(&mut self) {
        let mut published: BTreeMap<String, Vec<(usize, u64)>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (place, event) in self.evidence.history.iter().enumerate() {
            match event {
                Event::Published { by, data } => {
                    let envelope: Value = serde_json::from_str(data).unwrap_or_default();
                    let player = envelope["user_id"].as_str().unwrap_or_default().to_owned();
                    let seq = envelope["seq"].as_u64().unwrap_or(0);
                    if let Some(what) = self.mismatch(place, &player, seq, &envelope) {
                        wrong.push((player.clone(), *by, what));
                    }
                    published.entry(player).or_default().push((place, seq));
                }
                Event::SetAside { body } => {
                    wrong.push((String::new(), 0, format!("set aside: {body}")));
                }
                _ => {}
            }
        }
        for (player, by, what) in wrong {
            self.find("an event is an entry", Some(&player), &[by], what);
        }
        let mut missing = Vec::new();
        let mut unmarked = Vec::new();
        let swept = self.evidence.history[self.calm..].iter().any(
            |event| matches!(event, Event::Invoked { function, .. } if *function == "outbox-sweep"),
        );
        for (player, books) in &self.players {
            let last = books.entries.last().map_or(0, |entry| entry.seq);
            let published = published.get(player).map(Vec::as_slice).unwrap_or_default();
            if let Some(what) = self.unpublished(player, last, published) {
                missing.push((player.clone(), what));
            }
            let mark = self.others.get(&format!("PUBLISHED#{player}/PUBLISHED"));
            let mark = mark.and_then(|mark| mark["published"].as_u64()).unwrap_or(0);
            // A mark whose write failed waits for a sweep.
            if mark > last || (swept && mark < last) {
                unmarked.push((player.clone(), format!("{mark} of {last}")));
            }
        }
        for (player, what) in missing {
            self.find("every entry is published, in order", Some(&player), &[], what);
        }
        for (player, what) in unmarked {
            self.find("a journal is marked as published", Some(&player), &[], what);
        }
    }

    fn unpublished(&self, player: &str, last: u64, published: &[(usize, u64)]) -> Option<String> {
        // In order: the journal, but for what was lost, is a subsequence of what was
        // published.
        let is_lost = |seq: &u64| self.lost.contains(&(player.to_owned(), *seq));
        let mut kept = (1..=last).filter(|seq| !is_lost(seq)).peekable();
        for (_, seq) in published {
            kept.next_if_eq(seq);
        }
        if let Some(next) = kept.next() {
            return Some(format!("entry {next} of {last}"));
        }
        let came = |seq: u64| published.iter().any(|(_, of)| *of == seq);
        let never = (1..=last).find(|&seq| !came(seq))?;
        Some(format!("entry {never} of {last}, which the stream had lost"))
    }

    fn mismatch(&self, place: usize, player: &str, seq: u64, envelope: &Value) -> Option<String> {
        let books = self.players.get(player);
        let entry = books.and_then(|books| books.entries.iter().find(|entry| entry.seq == seq));
        let Some(entry) = entry else {
            return Some(format!("{player} has no entry {seq}"));
        };
        if entry.committed >= place {
            return Some(format!("entry {seq} was published before it was committed"));
        }
        let payload = &envelope["payload"];
        let legs: Value = entry
            .legs
            .clone()
            .into_iter()
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .map(|(name, gold)| (name, Value::from(gold)))
            .collect();
        let same = payload["balance_after"] == entry.gold_after
            && payload["legs"] == legs
            && envelope["trace_id"] == entry.trace_id
            && super::millis(&envelope["ts"]) == entry.at_ms;
        (!same).then(|| format!("entry {seq} was published as {envelope}"))
    }
}
