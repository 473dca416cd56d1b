//! What clients were told: every definite answer is one that the model allows at
//! some moment between request and answer, and a key has one outcome for ever.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Case, Entry,
    model::{Snap, level},
    reads::is_user,
    slot,
};
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
            fields.retain(|name, _| !name.ends_with("password"));
        }
        (self.operation.to_owned(), body)
    }

    /// The body of the answer, if one came.
    pub fn told(&self) -> Option<&str> {
        self.answer.as_ref().map(|(_, _, body)| body.as_str())
    }

    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// Player, session and generation of the refresh token.
    pub fn refresh_token(&self) -> (&str, &str, u64) {
        let mut parts = self.text("refresh_token").split('.');
        let mut part = || parts.next().unwrap_or_default();
        (part(), part(), part().parse().unwrap_or(0))
    }

    /// The player whom a request is about, besides logins and signups.
    pub fn about(&self) -> Option<&str> {
        match self.operation {
            "refresh" => Some(self.refresh_token().0),
            _ => self.player.as_deref(),
        }
    }
}

/// All requests.
pub fn attempts(history: &[Event]) -> BTreeMap<Invocation, Attempt> {
    let mut attempts: BTreeMap<Invocation, Attempt> = BTreeMap::new();
    for (place, event) in history.iter().enumerate() {
        match event {
            Event::Request { by, operation, player, session, key, body, clock_ms } => {
                let attempt = Attempt {
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
                };
                attempts.insert(*by, attempt);
            }
            Event::Answer { by, status, replayed, body } => {
                let attempt = attempts.get_mut(by).expect("it was sent");
                attempt.end = place;
                attempt.answer = Some((*status, *replayed, body.clone()));
            }
            Event::Silence { by, .. } => attempts.get_mut(by).expect("it was sent").end = place,
            _ => {}
        }
    }
    attempts
}

impl Case<'_> {
    pub fn clients(&mut self) {
        self.entries_are_asked_for();
        let mut bodies: BTreeMap<String, (Invocation, String)> = BTreeMap::new();
        let mut settled: BTreeMap<String, (bool, Invocation)> = BTreeMap::new();
        for attempt in self.attempts.clone().values() {
            let once = self.once(attempt);
            // Tomorrow's claim is another one: nobody can ask for yesterday's again. And whose
            // key a login's is shows only once it was let in.
            let wanted = match attempt.operation {
                "claim" => None,
                "login" => attempt.key.as_ref(),
                _ => once.as_ref(),
            };
            if let Some(once) = wanted {
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
                200..=299 if attempt.operation == "settle" => self.settled(attempt, &body),
                200..=299 if attempt.operation == "rename" => self.renamed(attempt, &body),
                200..=299 => self
                    .done(attempt, once.as_deref(), status, replayed, &body)
                    .or_else(|| one_answer(&mut bodies, once.as_deref(), attempt, &body)),
                503 if attempt.start < self.calm || body.contains("conflict_retry") => None,
                500.. => Some(format!("{status}: {body}")),
                _ => self.refused(attempt, once.as_deref(), status, &body),
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
        self.nobody_panics();
    }

    /// The scope and key that make a command happen once.
    fn once(&self, attempt: &Attempt) -> Option<String> {
        if attempt.operation == "claim" {
            let day = jiff::Timestamp::from_millisecond(attempt.clock_ms).ok()?.strftime("%F");
            let player = attempt.player.as_ref()?;
            return Some(format!("ONCE#NATURAL#streak:{player}:claim:{day}"));
        }
        let natural = |name: &str, of: &str| {
            let player = attempt.player.as_ref()?;
            Some(format!("ONCE#NATURAL#{name}:{player}{of}"))
        };
        match attempt.operation {
            "logout" => return natural("logout", &format!(":{}", attempt.session.as_ref()?)),
            "logout_all" => {
                return natural("logout-all", &format!(":{}", attempt.session.as_ref()?));
            }
            "erase" => return natural("erase", ""),
            _ => {}
        }
        let key = attempt.key.as_ref()?;
        match attempt.operation {
            "signup" => Some(format!("ONCE#ANONYMOUS#{key}")),
            "login" => {
                // Whom it let in, if it did.
                let told = attempt.answer.as_ref().and_then(|(_, _, body)| {
                    let answer: Value = serde_json::from_str(body).ok()?;
                    answer["user"]["id"].as_str().map(str::to_owned)
                });
                let name = attempt.text("site_id");
                let held = || self.held_login(name, attempt.start, attempt.end).into_iter().next();
                let player = told.or_else(|| held().map(|held| held.player))?;
                Some(format!("ONCE#KEY#{player}#{key}"))
            }
            "reset" => {
                let player = &self.evidence.seeded[1].id;
                let caller = attempt.player.as_ref()?;
                Some(format!("ONCE#NATURAL#reset:{player}:{caller}:{key}"))
            }
            _ => Some(format!("ONCE#KEY#{}#{key}", attempt.about()?)),
        }
    }

    pub fn with_key(&self, once: &str) -> Option<(&String, &Entry)> {
        self.players.iter().find_map(|(player, books)| {
            let is_it = |entry: &&Entry| entry.once.as_ref().is_some_and(|(key, _)| key == once);
            books.entries.iter().find(is_it).map(|entry| (player, entry))
        })
    }

    /// An entry is what its writer was asked for, and a request writes one at most.
    fn entries_are_asked_for(&mut self) {
        let mut wrong = Vec::new();
        let mut written: BTreeMap<Invocation, u64> = BTreeMap::new();
        for (player, books) in &self.players {
            for entry in &books.entries {
                let repair =
                    matches!(entry.kind.as_str(), "streak_protection_consumed" | "streak_broken");
                let seeded = entry.seq == 1 && self.seeded(player).is_some();
                // The provider's answer, its notices and the clean-up move a purchase on.
                let moved_on = entry.kind == "purchase_advanced" && !entry.fact["from"].is_null();
                let Some(attempt) = self.attempts.get(&entry.by) else {
                    if !repair && !seeded && !moved_on {
                        wrong.push((player.clone(), entry.by, format!("{} of nobody", entry.kind)));
                    }
                    continue;
                };
                if moved_on {
                    let asks = matches!(attempt.operation, "buy" | "settle");
                    if !asks || attempt.player.as_ref() != Some(player) {
                        let what = format!("{} {} moved on", attempt.operation, entry.fact);
                        wrong.push((player.clone(), entry.by, what));
                    }
                    continue;
                }
                *written.entry(entry.by).or_default() += 1;
                if written[&entry.by] > 1 {
                    wrong.push((player.clone(), entry.by, "a second entry".to_owned()));
                }
                let (fact, body) = (&entry.fact, &attempt.body);
                let fits = match (attempt.operation, entry.kind.as_str()) {
                    ("signup", "player_signed_up") => true,
                    ("login", "player_logged_in") => {
                        let name = attempt.text("site_id");
                        let held = self.held_login(name, attempt.start, attempt.end);
                        held.iter().any(|held| held.player == *player)
                    }
                    ("refresh", "session_refreshed" | "session_closed") => {
                        let (of, session, _) = attempt.refresh_token();
                        let reused =
                            entry.kind != "session_closed" || fact["reason"] == "token_reused";
                        of == player.as_str() && fact["session"] == session && reused
                    }
                    ("logout", "session_closed") => {
                        fact["session"] == json!(attempt.session) && fact["reason"] == "logout"
                    }
                    ("logout_all", "sessions_closed") => true,
                    ("password", "password_changed") => fact["session"] == json!(attempt.session),
                    ("rename", "player_renamed") | ("erase", "player_erased") => true,
                    ("invite", "invite_code_issued") => {
                        fact["code"] == body["code"]
                            && fact["uses"] == body["uses"]
                            && fact["reason"] == body["reason"]
                    }
                    ("reset", "player_reset") => self.seeded(player).is_some(),
                    ("claim", "streak_claimed") => true,
                    ("spin", "round_settled") => fact["bet"] == body["bet"],
                    ("buy", "item_purchased" | "purchase_advanced") => {
                        fact["product"] == body["product_id"]
                            && fact["quantity"] == body["quantity"]
                    }
                    ("rotate", "fairness_rotated") => fact["client_seed"] == body["client_seed"],
                    _ => false,
                };
                let whose = attempt.operation == "reset"
                    || attempt.player.as_ref().is_none_or(|caller| caller == player);
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
        if let Some(writer) = self.attempts.get(&entry.by)
            && writer.identity() != attempt.identity()
        {
            return Some(format!("the key belongs to {} {}", writer.operation, writer.body));
        }
        if let Some((stored_status, stored)) = &entry.answer
            && !matches!(attempt.operation, "login" | "refresh")
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
            "buy" if entry.kind == "purchase_advanced" => vec![
                ("receipt", answer["receipt"].clone(), fact["receipt"].clone()),
                ("status", answer["status"].clone(), json!("pending")),
                ("product", answer["product_id"].clone(), fact["product"].clone()),
                ("quantity", answer["quantity"].clone(), fact["quantity"].clone()),
                ("price", answer["price_money"].clone(), fact["price"]["money"].clone()),
                ("balance", answer["gold_balance"].clone(), json!(entry.gold_after)),
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
            "refresh" => {
                let token = answer["refresh_token"].as_str().unwrap_or_default();
                let of: Vec<_> = token.split('.').take(3).collect();
                let generation = fact["generation"].to_string();
                let session = fact["session"].as_str().unwrap_or_default();
                vec![("token", json!(of), json!([player, session, generation]))]
            }
            "logout" => vec![("sessions", answer["closed_sessions"].clone(), json!(1))],
            "logout_all" => {
                vec![("sessions", answer["closed_sessions"].clone(), fact["sessions"].clone())]
            }
            "password" => {
                let others = (before.live_sessions(entry.at_ms) - 1).max(0);
                vec![("sessions", answer["closed_sessions"].clone(), json!(others))]
            }
            "erase" => vec![("gold", answer["burned_gold"].clone(), json!(before.gold))],
            "invite" => vec![
                ("code", answer["code"].clone(), fact["code"].clone()),
                ("uses", answer["uses"].clone(), fact["uses"].clone()),
                ("end", answer["expires_at"].clone(), fact["expires_at"].clone()),
            ],
            "reset" => vec![
                ("player", answer["id"].clone(), json!(player)),
                ("balance", answer["gold_balance"].clone(), json!(entry.gold_after)),
            ],
            _ => vec![
                ("player", answer["user"]["id"].clone(), json!(player)),
                ("balance", answer["user"]["gold_balance"].clone(), json!(entry.gold_after)),
                ("level", answer["user"]["level"].clone(), json!(level(entry.xp_after).0)),
            ],
        };
        pairs.into_iter().filter(|(_, told, kept)| told != kept).map(|(name, ..)| name).collect()
    }

    /// A change of name is answered with the player as they were at some moment after.
    fn renamed(&self, attempt: &Attempt, body: &str) -> Option<String> {
        let books = self.players.get(attempt.player.as_ref()?)?;
        let nickname = attempt.text("nickname");
        let snaps = books.snaps_between(attempt.start, attempt.end);
        let has_it = |snap: &Snap| snap.nickname.as_ref().is_none_or(|of| of == nickname);
        if !snaps.iter().any(has_it) {
            return Some(format!("nobody was ever called {nickname}: {body}"));
        }
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        (!snaps.iter().any(|snap| is_user(snap, &answer)))
            .then(|| format!("no moment was like that: {body}"))
    }

    fn nobody_panics(&mut self) {
        let history = &self.evidence.history;
        let silent = history.iter().filter_map(|event| match event {
            Event::Silence { by, why } if why != "crashed" && why != "ran out of time" => {
                Some((*by, why.clone()))
            }
            _ => None,
        });
        for (who, why) in silent.collect::<Vec<_>>() {
            let player = self.attempts.get(&who).and_then(|attempt| attempt.player.clone());
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
    // A login is answered with the name that the player has by then.
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if attempt.operation == "login" {
        body["user"]["nickname"] = Value::Null;
    }
    let body = &body.to_string();
    let (first, earlier) =
        bodies.entry(once.to_owned()).or_insert_with(|| (attempt.by, body.to_owned()));
    (earlier != body).then(|| format!("invocation {first} was told {earlier}, this one {body}"))
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "me" | "balance" | "stats" | "streak" | "fairness" | "dashboard")
}
