//! What clients were told: every definite answer is one that the model allows at
//! some moment between request and answer, and a key has one outcome for ever.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Case, Entry, model::level, slot};
use crate::history::{Event, Invocation};

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub by: Invocation,
    pub operation: &'static str,
    pub player: Option<String>,
    pub session: Option<String>,
    key: Option<String>,
    pub body: Value,
    pub clock_ms: i64,
    pub start: usize,
    pub end: usize,
    answer: Option<(u16, bool, String)>,
}

impl Attempt {
    /// What makes two requests the same: operation and body, without passwords.
    pub fn identity(&self) -> (String, Value) {
        let mut body = self.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("password");
        }
        (self.operation.to_owned(), body)
    }
}

impl Case<'_> {
    pub fn clients(&mut self) {
        let attempts = self.attempts();
        let by: BTreeMap<Invocation, Attempt> =
            attempts.iter().map(|attempt| (attempt.by, attempt.clone())).collect();
        self.entries_are_asked_for(&by);
        let mut bodies: BTreeMap<String, (Invocation, String)> = BTreeMap::new();
        let mut settled: BTreeMap<String, (bool, Invocation)> = BTreeMap::new();
        for attempt in &attempts {
            let once = self.once(attempt);
            // Tomorrow's claim is another one: nobody can ask for yesterday's again.
            if let Some(once) = once.as_ref().filter(|_| attempt.operation != "claim") {
                let (operation, body) = attempt.identity();
                let request = format!("{once} {operation} {body}");
                let definite = attempt.answer.as_ref().is_some_and(|(status, ..)| *status < 500);
                let known = settled.entry(request).or_insert((false, attempt.by));
                *known = (known.0 || definite, attempt.by);
            }
            let Some((status, replayed, body)) = attempt.answer.clone() else { continue };
            let finding = match status {
                200..=299 if !self.signed_in(attempt) => {
                    Some(format!("answered with {status} to a session that has ended"))
                }
                200..=299 if is_read(attempt.operation) => self.read(attempt, &body),
                200..=299 => self
                    .done(attempt, once.as_deref(), status, replayed, &body, &by)
                    .or_else(|| one_answer(&mut bodies, once.as_deref(), attempt, &body)),
                503 if attempt.start < self.calm || body.contains("conflict_retry") => None,
                500.. => Some(format!("{status}: {body}")),
                _ => self.refused(attempt, once.as_deref(), status, &body, &by),
            };
            if let Some(what) = finding {
                let what = format!("{} {}: {what}", attempt.operation, attempt.body);
                self.find(
                    "an answer is allowed by the model",
                    attempt.player.as_deref(),
                    &[attempt.by],
                    what,
                );
            }
        }
        for (request, (definite, by)) in settled {
            if !definite {
                self.find("every unknown outcome is resolved", None, &[by], request);
            }
        }
        self.nobody_panics(&by);
    }

    fn attempts(&self) -> Vec<Attempt> {
        let history = &self.evidence.history;
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut at: BTreeMap<Invocation, usize> = BTreeMap::new();
        for (place, event) in history.iter().enumerate() {
            match event {
                Event::Request { by, operation, player, session, key, body, clock_ms } => {
                    at.insert(*by, attempts.len());
                    attempts.push(Attempt {
                        by: *by,
                        operation,
                        player: player.clone(),
                        session: session.clone(),
                        key: key.clone(),
                        body: body.clone(),
                        clock_ms: *clock_ms,
                        start: place,
                        end: history.len(),
                        answer: None,
                    });
                }
                Event::Answer { by, status, replayed, body } => {
                    let attempt = &mut attempts[at[by]];
                    attempt.end = place;
                    attempt.answer = Some((*status, *replayed, body.clone()));
                }
                Event::Silence { by, .. } => attempts[at[by]].end = place,
                _ => {}
            }
        }
        attempts
    }

    /// The scope and key that make a command happen once.
    fn once(&self, attempt: &Attempt) -> Option<String> {
        if attempt.operation == "claim" {
            let day = jiff::Timestamp::from_millisecond(attempt.clock_ms).ok()?.strftime("%F");
            let player = attempt.player.as_ref()?;
            return Some(format!("ONCE#NATURAL#streak:{player}:claim:{day}"));
        }
        let key = attempt.key.as_ref()?;
        match attempt.operation {
            "signup" => Some(format!("ONCE#ANONYMOUS#{key}")),
            "login" => {
                let player = self.owner_of_site(attempt.body["site_id"].as_str()?)?;
                Some(format!("ONCE#KEY#{player}#{key}"))
            }
            _ => Some(format!("ONCE#KEY#{}#{key}", attempt.player.as_ref()?)),
        }
    }

    pub fn with_key(&self, once: &str) -> Option<(&String, &Entry)> {
        self.players.iter().find_map(|(player, books)| {
            let is_it = |entry: &&Entry| entry.once.as_ref().is_some_and(|(key, _)| key == once);
            books.entries.iter().find(is_it).map(|entry| (player, entry))
        })
    }

    /// An entry is what its writer was asked for, and a request writes one at most.
    fn entries_are_asked_for(&mut self, by: &BTreeMap<Invocation, Attempt>) {
        let mut wrong = Vec::new();
        let mut written: BTreeMap<Invocation, u64> = BTreeMap::new();
        for (player, books) in &self.players {
            for entry in &books.entries {
                let repair =
                    matches!(entry.kind.as_str(), "streak_protection_consumed" | "streak_broken");
                let Some(attempt) = by.get(&entry.by) else {
                    if !repair {
                        wrong.push((player.clone(), entry.by, format!("{} of nobody", entry.kind)));
                    }
                    continue;
                };
                *written.entry(entry.by).or_default() += 1;
                if written[&entry.by] > 1 {
                    wrong.push((player.clone(), entry.by, "a second entry".to_owned()));
                }
                let (fact, body) = (&entry.fact, &attempt.body);
                let fits = match (attempt.operation, entry.kind.as_str()) {
                    ("signup", "player_signed_up") => true,
                    ("login", "player_logged_in") => {
                        self.owner_of_site(body["site_id"].as_str().unwrap_or_default())
                            == Some(player.as_str())
                    }
                    ("claim", "streak_claimed") => true,
                    ("spin", "round_settled") => fact["bet"] == body["bet"],
                    ("buy", "item_purchased") => {
                        fact["product"] == body["product_id"]
                            && fact["quantity"] == body["quantity"]
                    }
                    ("rotate", "fairness_rotated") => fact["client_seed"] == body["client_seed"],
                    _ => false,
                };
                let whose = attempt.player.as_ref().is_none_or(|caller| caller == player);
                if !fits || !whose {
                    let what = format!("{} {body} wrote {fact}", attempt.operation);
                    wrong.push((player.clone(), entry.by, what));
                }
            }
        }
        for (player, by, what) in wrong {
            self.find("an entry is what was asked for", Some(&player), &[by], what);
        }
    }

    /// What is wrong with being told that it was done.
    fn done(
        &self,
        attempt: &Attempt,
        once: Option<&str>,
        status: u16,
        replayed: bool,
        body: &str,
        by: &BTreeMap<Invocation, Attempt>,
    ) -> Option<String> {
        if attempt.operation == "ticket" {
            return None;
        }
        let found = match once {
            Some(once) => self.with_key(once),
            None => self.players.iter().find_map(|(player, books)| {
                let entry = books.entries.iter().find(|entry| entry.by == attempt.by)?;
                Some((player, entry))
            }),
        };
        let Some((player, entry)) = found else {
            return Some(format!("was told {status}, but there is no entry: {body}"));
        };
        if entry.committed >= attempt.end {
            return Some(format!("was told before entry {} was committed", entry.seq));
        }
        if !replayed && entry.by != attempt.by {
            return Some(format!(
                "was told as if new of an entry that invocation {} wrote",
                entry.by
            ));
        }
        if let Some(writer) = by.get(&entry.by)
            && writer.identity() != attempt.identity()
        {
            return Some(format!("the key belongs to {} {}", writer.operation, writer.body));
        }
        if let Some((stored_status, stored)) = &entry.answer
            && attempt.operation != "login"
            && (stored != body || *stored_status != u64::from(status))
        {
            return Some(format!("was told {body}, the entry keeps {stored}"));
        }
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let wrong = self.answer_of(attempt.operation, player, entry, &answer);
        (!wrong.is_empty())
            .then(|| format!("entry {} is otherwise in {wrong:?}: {body}", entry.seq))
    }

    /// Fields of an answer that its entry says otherwise.
    fn answer_of(
        &self,
        operation: &str,
        player: &str,
        entry: &Entry,
        answer: &Value,
    ) -> Vec<&'static str> {
        let fact = &entry.fact;
        let before = usize::try_from(entry.seq - 1).unwrap_or(usize::MAX);
        let snaps = &self.players[player].snaps;
        let before = snaps.get(before).cloned().unwrap_or_default();
        let seed = slot::server_seed(&self.evidence.master_key, player, before.epoch);
        let pairs = match operation {
            "spin" => vec![
                ("round", answer["round_id"].clone(), fact["round"].clone()),
                ("reels", answer["reels"].clone(), fact["outcome"].clone()),
                ("bet", answer["bet_gold"].clone(), fact["bet"].clone()),
                ("win", answer["win_gold"].clone(), fact["win"].clone()),
                ("multiplier", answer["multiplier"].clone(), fact["multiplier"].clone()),
                ("balance", answer["gold_balance"].clone(), json!(entry.gold_after)),
                ("nonce", answer["fairness"]["nonce"].clone(), json!(entry.seq)),
                (
                    "client seed",
                    answer["fairness"]["client_seed"].clone(),
                    json!(before.client_seed),
                ),
                (
                    "commitment",
                    answer["fairness"]["server_seed_hash"].clone(),
                    json!(slot::commitment(&seed)),
                ),
            ],
            "buy" => vec![
                ("receipt", answer["receipt"].clone(), fact["receipt"].clone()),
                ("price", answer["price_gold"].clone(), fact["price"].clone()),
                ("balance", answer["gold_balance"].clone(), json!(entry.gold_after)),
            ],
            "claim" => vec![
                ("gold", answer["awarded"]["gold"].clone(), fact["gold"].clone()),
                ("experience", answer["awarded"]["xp"].clone(), fact["xp"].clone()),
                ("count", answer["streak_count"].clone(), fact["count"].clone()),
                ("balance", answer["new_balance"].clone(), json!(entry.gold_after)),
                ("level", answer["level"].clone(), json!(level(entry.xp_after).0)),
                ("day", answer["day"].clone(), fact["day"].clone()),
            ],
            "rotate" => vec![
                ("epoch", answer["epoch"].clone(), fact["epoch"].clone()),
                ("client seed", answer["client_seed"].clone(), fact["client_seed"].clone()),
                ("nonce", answer["next_nonce"].clone(), json!(entry.seq + 1)),
                ("old seed", answer["previous"]["server_seed"].clone(), json!(slot::hex(&seed))),
            ],
            _ => vec![
                ("player", answer["user"]["id"].clone(), json!(player)),
                ("balance", answer["user"]["gold_balance"].clone(), json!(entry.gold_after)),
                ("level", answer["user"]["level"].clone(), json!(level(entry.xp_after).0)),
            ],
        };
        pairs.into_iter().filter(|(_, told, kept)| told != kept).map(|(name, ..)| name).collect()
    }

    fn nobody_panics(&mut self, by: &BTreeMap<Invocation, Attempt>) {
        let history = &self.evidence.history;
        let silent = history.iter().filter_map(|event| match event {
            Event::Silence { by, why } if why != "crashed" && why != "ran out of time" => {
                Some((*by, why.clone()))
            }
            _ => None,
        });
        for (who, why) in silent.collect::<Vec<_>>() {
            let player = by.get(&who).and_then(|attempt| attempt.player.clone());
            self.find("a request always gets an answer", player.as_deref(), &[who], why);
        }
    }
}

fn one_answer(
    bodies: &mut BTreeMap<String, (Invocation, String)>,
    once: Option<&str>,
    attempt: &Attempt,
    body: &str,
) -> Option<String> {
    let once = once?;
    let (first, earlier) =
        bodies.entry(once.to_owned()).or_insert_with(|| (attempt.by, body.to_owned()));
    (earlier != body).then(|| format!("invocation {first} was told {earlier}, this one {body}"))
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "me" | "balance" | "stats" | "streak" | "fairness" | "dashboard")
}
