//! Journal, state, pointers, names and views.

use serde_json::{Value, json};

use super::{
    Case, Entry, day_number, millis,
    model::{PACES, Snap, day_of},
    slot,
};
use crate::{clients::Known, history::Event};

impl Case<'_> {
    pub fn journal(&mut self) {
        let names: Vec<String> = self.players.keys().cloned().collect();
        let mut house = 0_i128;
        for player in &names {
            let mut books = self.players.remove(player).unwrap_or_default();
            self.replay(player, &mut books.entries.clone(), &mut books.snaps);
            let held = books.snaps.last().map_or(0, |snap| snap.gold);
            house += i128::from(held);
            for entry in &books.entries {
                let others = entry.legs.iter().filter(|(name, _)| *name != "player");
                house += others.map(|(_, gold)| i128::from(*gold)).sum::<i128>();
            }
            self.players.insert(player.clone(), books);
            self.state(player);
            self.view(player);
            self.belongings(player);
        }
        if house != 0 {
            self.find("the economy is closed", None, &[], format!("it sums to {house}"));
        }
        self.pointers();
        self.names();
        self.invites();
        self.reads();
    }

    fn replay(&mut self, player: &str, entries: &mut [Entry], snaps: &mut Vec<Snap>) {
        let master = self.evidence.master_key;
        snaps.push(Snap::default());
        for entry in entries {
            let before = snaps.last().cloned().unwrap_or_default();
            let asked = self.asked(player, entry);
            let (after, wrong) = before.then(entry, &asked, |epoch, client_seed, nonce| {
                let seed = slot::server_seed(&master, player, epoch);
                slot::reels(&seed, client_seed, nonce).into_iter().map(str::to_owned).collect()
            });
            for wrong in wrong {
                self.find(
                    "every entry follows from those before it",
                    Some(player),
                    &[entry.by],
                    wrong,
                );
            }
            self.time(player, &before, entry);
            if entry.committed == usize::MAX {
                self.find(
                    "an entry is committed",
                    Some(player),
                    &[],
                    format!("entry {} never was", entry.seq),
                );
            }
            snaps.push(after);
        }
    }

    /// The body of the request that wrote the entry; of a seeded account, what it began
    /// with.
    fn asked(&self, player: &str, entry: &Entry) -> Value {
        match (self.attempts.get(&entry.by), self.seeded(player)) {
            (Some(attempt), _) if entry.kind != "player_reset" => attempt.body.clone(),
            (_, Some(Known { site_id, nickname, password, .. })) => {
                json!({ "site_id": site_id, "nickname": nickname, "password": password })
            }
            _ => Value::Null,
        }
    }

    /// Time and days of an entry are those of the clock of who wrote it.
    fn time(&mut self, player: &str, before: &Snap, entry: &Entry) {
        let Some(clock_ms) = self.clocks.get(&entry.by).copied() else { return };
        let (at, expected) = (entry.at_ms, clock_ms.max(before.at_ms));
        if at != expected {
            let what =
                format!("entry {} is of {at}, its writer's clock said {expected}", entry.seq);
            self.find("an entry has the time of its request", Some(player), &[entry.by], what);
        }
        let today = day_of(clock_ms);
        let day = day_number(&entry.fact["day"]);
        let expected = match entry.kind.as_str() {
            "streak_claimed" | "streak_broken" => Some(today),
            "streak_protection_consumed" => Some(today - 1),
            _ => None,
        };
        if day != expected {
            let what = format!(
                "entry {} ({}) is of day {day:?}, UTC said {expected:?}",
                entry.seq, entry.kind
            );
            self.find("days are cut at UTC midnight", Some(player), &[entry.by], what);
        }
    }

    fn state(&mut self, player: &str) {
        let books = &self.players[player];
        let Some(snap) = books.snaps.last().cloned() else { return };
        let Some(state) = books.items.get("STATE").cloned() else {
            return self.find("a player has a state", Some(player), &[], "there is none");
        };
        let by = books.entries.last().map(|entry| entry.by);
        let number = |value: &Value| value.as_i64().unwrap_or(i64::MIN);
        let streak = &state["streak"];
        let pairs = [
            ("version", number(&state["version"]), i64::try_from(snap.version).unwrap_or(-1)),
            ("gold", number(&state["gold"]), snap.gold),
            ("debt", state["debt"].as_i64().unwrap_or(0), snap.debt),
            ("experience", number(&state["total_xp"]), snap.xp),
            ("streak", number(&streak["count"]), snap.count),
            ("longest streak", number(&streak["longest"]), snap.longest),
            ("protections", number(&streak["protections"]), snap.protections),
            (
                "last day",
                day_number(&streak["last_day"]).unwrap_or(i64::MIN),
                snap.last_day.unwrap_or(i64::MIN),
            ),
            ("epoch", number(&state["fairness"]["epoch"]), i64::from(snap.epoch)),
            ("time", millis(&state["updated_at"]), snap.at_ms),
        ];
        for (what, stored, folded) in pairs {
            if stored != folded {
                let what = format!("{what}: the state says {stored}, the journal {folded}");
                self.find(
                    "state = fold of the journal",
                    Some(player),
                    &by.into_iter().collect::<Vec<_>>(),
                    what,
                );
            }
        }
        let mut wrong = Vec::new();
        if state["fairness"]["client_seed"] != snap.client_seed.as_str() {
            wrong.push("another client seed".to_owned());
        }
        let sessions = snap.sessions.iter();
        let sessions: Vec<_> =
            sessions.map(|of| format!("{}.{}.{}", of.id, of.generation, of.ends_s)).collect();
        let stored = state["sessions"].as_array().cloned().unwrap_or_default();
        if json!(stored) != json!(sessions) {
            wrong.push(format!("the sessions are {stored:?}, the journal says {sessions:?}"));
        }
        for (pace, (name, ..)) in PACES.iter().enumerate() {
            let stored = state["paces"][name].as_i64().unwrap_or(0);
            // Full ones are left out when the next entry comes.
            let full_at = Some(snap.full_at[pace]).filter(|at| *at > snap.at_ms).unwrap_or(0);
            if stored != full_at {
                wrong.push(format!("{name} is paced until {stored}, not {full_at}"));
            }
        }
        let by: Vec<_> = by.into_iter().collect();
        for what in wrong {
            self.find("state = fold of the journal", Some(player), &by, what);
        }
    }

    /// Everything was delivered, so the stored statistics are those of the journal.
    fn view(&mut self, player: &str) {
        let books = &self.players[player];
        let (Some(snap), view) = (books.snaps.last(), books.items.get("VIEW#stats")) else {
            return;
        };
        if !view.is_some_and(|view| snap.is_view(view)) {
            let what = format!("the view is {view:?}, the journal amounts to {snap:?}");
            self.find("projections = fold of the journal", Some(player), &[], what);
        }
    }

    fn belongings(&mut self, player: &str) {
        let books = &self.players[player];
        let erased = books.snaps.last().is_some_and(|snap| snap.erased);
        let enrolled = |key: &String| key.starts_with("ROSTER#") && key.ends_with(player);
        let has = [
            ("a password", books.items.contains_key("AUTH#CREDENTIAL")),
            ("a place in the roster", self.others.keys().any(enrolled)),
        ];
        let wrong: Vec<_> = has.iter().filter(|(_, has)| *has == erased).collect();
        if !wrong.is_empty() {
            let what = format!("erased: {erased}, and has: {wrong:?}");
            self.find("a player is whole, or gone", Some(player), &[], what);
        }
    }

    /// One entry per once-key, and each pointer leads to it.
    fn pointers(&mut self) {
        let mut by_key: std::collections::BTreeMap<String, Vec<(String, u64, u32)>> =
            std::collections::BTreeMap::new();
        let mut wrong = Vec::new();
        for (player, books) in &self.players {
            for entry in &books.entries {
                let Some((key, hash)) = &entry.once else {
                    wrong.push((
                        player.clone(),
                        entry.by,
                        format!("entry {} has no key", entry.seq),
                    ));
                    continue;
                };
                by_key.entry(key.clone()).or_default().push((player.clone(), entry.seq, entry.by));
                let pointer = self.others.get(&format!("{key}/ONCE"));
                let leads = pointer.is_some_and(|pointer| {
                    pointer["player"] == player.as_str()
                        && pointer["seq"].as_u64() == Some(entry.seq)
                        && pointer["request_hash"] == hash.as_str()
                });
                if !leads {
                    let what = format!("{key} does not lead to entry {}: {pointer:?}", entry.seq);
                    wrong.push((player.clone(), entry.by, what));
                }
            }
        }
        for (player, by, what) in wrong {
            self.find("a key leads to its entry", Some(&player), &[by], what);
        }
        for (key, entries) in &by_key {
            if entries.len() > 1 {
                let by: Vec<_> = entries.iter().map(|(_, _, by)| *by).collect();
                let player = entries[0].0.clone();
                self.find(
                    "one entry per key",
                    Some(&player),
                    &by,
                    format!("{key} has {entries:?}"),
                );
            }
        }
        let lost: Vec<String> = self
            .others
            .keys()
            .filter_map(|key| key.strip_suffix("/ONCE"))
            .filter(|key| !by_key.contains_key(*key))
            .map(str::to_owned)
            .collect();
        for key in lost {
            self.find("a key leads to its entry", None, &[], format!("{key} leads nowhere"));
        }
    }

    /// Only who there is, and was, may be read as it was a moment ago.
    fn reads(&mut self) {
        let history = &self.evidence.history;
        let lists = |of: &str| of.starts_with("ROSTER#") || of.starts_with("DEPARTED#");
        let stale = history.iter().filter_map(|event| match event {
            Event::StaleRead { by, of } if !lists(of) => Some((*by, of.clone())),
            _ => None,
        });
        for (by, of) in stale.collect::<Vec<_>>() {
            self.find(
                "nothing is decided on stale reads",
                None,
                &[by],
                format!("read {of} eventually consistent"),
            );
        }
    }
}
