//! Who had which name when, and whom invite codes let in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Case, Entry, clients::Attempt, millis, model::Snap};
use crate::clients::UNLIMITED;

/// A name that somebody had, from one place of the history to before another.
#[derive(Clone, Debug)]
pub struct Held {
    pub player: String,
    pub from: usize,
    pub to: usize,
}

/// What a code was issued for.
struct Issued<'c> {
    by: &'c str,
    entry: &'c Entry,
}

impl Issued<'_> {
    fn uses(&self) -> i64 {
        self.entry.fact["uses"].as_i64().unwrap_or(0)
    }

    /// Milliseconds.
    fn ends(&self) -> i64 {
        millis(&self.entry.fact["expires_at"])
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).expect("a run is short")
}

/// Whether a reset may have chosen the name; which one it chose only the state tells.
pub fn is_by_chance(name: &str) -> bool {
    name.starts_with("player-")
}

impl Case<'_> {
    /// Names that are kept are those of the states, and each is one player's.
    pub fn names(&mut self) {
        let mut wrong = Vec::new();
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        for (player, books) in &self.players {
            let Some(snap) = books.snaps.last() else { continue };
            let profile =
                &books.items.get("STATE").map_or(Value::Null, |state| state["profile"].clone());
            let text = |name: &str| profile[name].as_str().unwrap_or_default().to_owned();
            if (profile["erased"] == true) != snap.erased {
                wrong.push((player.clone(), format!("erased: {}, {profile}", snap.erased)));
            }
            if snap.erased {
                continue;
            }
            let (site_id, nickname) = (text("site_id"), text("nickname"));
            let same = snap.nickname.as_ref().is_none_or(|of| *of == nickname);
            if site_id != snap.site_id || !same {
                wrong.push((player.clone(), format!("{profile}, the requests say {snap:?}")));
            }
            for (prefix, name) in [("SITE", site_id), ("NICK", nickname)] {
                let key = format!("{prefix}#{}/{prefix}", name.to_lowercase());
                if let Some(other) = kept.insert(key.clone(), player.clone()) {
                    wrong.push((player.clone(), format!("{key} is {other}'s too")));
                }
            }
        }
        let named = |key: &&String| key.starts_with("SITE#") || key.starts_with("NICK#");
        let found: BTreeMap<_, _> = self.others.iter().filter(|(key, _)| named(key)).collect();
        for (key, player) in &kept {
            let item = found.get(key);
            if item.is_none_or(|item| item["player"] != player.as_str()) {
                wrong.push((player.clone(), format!("{key} leads to {item:?}")));
            }
        }
        for (key, item) in found {
            if !kept.contains_key(key) {
                let player = item["player"].as_str().unwrap_or_default().to_owned();
                wrong.push((player, format!("{key} is nobody's, and is kept")));
            }
        }
        for (player, what) in wrong {
            self.find("a name belongs to one player", Some(&player), &[], what);
        }
    }

    /// Who had the site id at some moment between two places of the history.
    pub fn held_site(&self, name: &str, from: usize, to: usize) -> Vec<Held> {
        self.held(from, to, |snap| snap.site_id.eq_ignore_ascii_case(name))
    }

    /// Who had the nickname at some moment between two places of the history.
    pub fn held_nickname(&self, name: &str, from: usize, to: usize) -> Vec<Held> {
        self.held(from, to, |snap| match &snap.nickname {
            Some(nickname) => nickname.eq_ignore_ascii_case(name),
            None => is_by_chance(name),
        })
    }

    /// Whom a login by the name may be: whoever has it as site id, or as nickname.
    pub fn held_login(&self, name: &str, from: usize, to: usize) -> Vec<Held> {
        let mut held = self.held_site(name, from, to);
        held.extend(self.held_nickname(name, from, to));
        held
    }

    fn held(&self, from: usize, to: usize, has: impl Fn(&Snap) -> bool) -> Vec<Held> {
        let mut held: Vec<Held> = Vec::new();
        for (player, books) in &self.players {
            for (entry, snap) in books.entries.iter().zip(books.snaps.iter().skip(1)) {
                let here = !snap.erased && has(snap);
                match held.last_mut().filter(|last| last.player == *player) {
                    Some(last) if last.to == usize::MAX && !here => last.to = entry.committed,
                    Some(last) if last.to == usize::MAX => {}
                    _ if here => {
                        let player = player.clone();
                        held.push(Held { player, from: entry.committed, to: usize::MAX });
                    }
                    _ => {}
                }
            }
        }
        held.retain(|held| held.from < to && held.to > from);
        held
    }

    /// A code lets in as many as it says, until it expires, and is issued once.
    pub fn invites(&mut self) {
        let mut issued: BTreeMap<String, Vec<Issued<'_>>> = BTreeMap::new();
        let mut used: BTreeMap<String, Vec<(&String, &Entry)>> = BTreeMap::new();
        for (player, entry) in self.entries() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match (entry.kind.as_str(), self.attempts.get(&entry.by)) {
                ("invite_code_issued", _) => {
                    let code = text(&entry.fact["code"]);
                    issued.entry(code).or_default().push(Issued { by: player, entry });
                }
                ("player_signed_up", Some(attempt)) => {
                    let code = text(&attempt.body["invite_code"]);
                    used.entry(code).or_default().push((player, entry));
                }
                _ => {}
            }
        }
        used.remove(UNLIMITED);
        let mut wrong = Vec::new();
        for (code, issued) in &issued {
            let [Issued { by, .. }, ..] = issued.as_slice() else { continue };
            if issued.len() > 1 {
                wrong
                    .push((String::from(*by), format!("{code} was issued {} times", issued.len())));
            }
            let used = used.remove(code).unwrap_or_default();
            let (uses, let_in) = (issued[0].uses(), count(used.len()));
            let item = self.others.get(&format!("INVITE#{code}/INVITE"));
            let left = item.and_then(|item| item["uses_left"].as_i64()).unwrap_or(i64::MIN);
            if left < 0 || left != uses - let_in {
                let what = format!("{code} is for {uses}, let {let_in} in, and has {left} left");
                wrong.push((String::from(*by), what));
            }
            for (player, entry) in used {
                if entry.committed < issued[0].entry.committed || entry.at_ms >= issued[0].ends() {
                    wrong.push((player.clone(), format!("{code} let in too early or too late")));
                }
            }
        }
        for (code, players) in used {
            for (player, _) in players {
                wrong.push((player.clone(), format!("{code} was never issued")));
            }
        }
        for (player, what) in wrong {
            self.find("a code lets in whom it says", Some(&player), &[], what);
        }
    }

    /// Whether the code could not be used at some moment of the signup.
    pub fn uninvited(&self, attempt: &Attempt) -> bool {
        let code = &attempt.body["invite_code"];
        if *code == UNLIMITED {
            return false;
        }
        let issued = self.issued(code);
        let Some(issued) = issued.filter(|issued| issued.entry.committed < attempt.start) else {
            return true;
        };
        let let_in = |(_, entry): &(&String, &Entry)| {
            entry.kind == "player_signed_up"
                && entry.committed < attempt.end
                && self.attempts.get(&entry.by).is_some_and(|by| by.body["invite_code"] == *code)
        };
        count(self.entries().filter(let_in).count()) >= issued.uses()
            || attempt.clock_ms >= issued.ends()
    }

    /// Whether the code was there before a place of the history.
    pub fn exists(&self, code: &Value, before: usize) -> bool {
        self.issued(code).is_some_and(|issued| issued.entry.committed < before)
    }

    fn issued(&self, code: &Value) -> Option<Issued<'_>> {
        self.entries()
            .filter(|(_, entry)| entry.kind == "invite_code_issued")
            .find(|(_, entry)| entry.fact["code"] == *code)
            .map(|(by, entry)| Issued { by, entry })
    }

    /// Every entry of every player.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        let players = self.players.iter();
        players.flat_map(|(player, books)| books.entries.iter().map(move |entry| (player, entry)))
    }
}
