//! Refusals: each is one that the model allows at some moment of the request.

use serde_json::Value;

use super::{
    Case, Entry,
    accounts::is_by_chance,
    clients::Attempt,
    millis,
    model::{MAX_BET, Snap, Standing, day_of, pace, product},
    purchases::pack,
};

impl Case<'_> {
    /// What is wrong with being refused.
    pub fn refused(
        &self,
        attempt: &Attempt,
        once: Option<&str>,
        status: u16,
        body: &str,
    ) -> Option<String> {
        let problem: Value = serde_json::from_str(body).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default();
        if code == "unauthenticated" {
            let garbage = attempt.operation == "refresh"
                && !self.players.contains_key(attempt.refresh_token().0);
            if garbage {
                return None;
            }
            let open = self.signed_in(attempt) && !self.signed_out(attempt);
            return open.then(|| format!("refused with {status} {code}: {body}"));
        }
        if is_malformed(attempt) {
            return (code != "validation_failed").then(|| format!("refused with {code}: {body}"));
        }
        let used = once.and_then(|once| self.with_key(once)).map(|(_, entry)| entry);
        if code == "idempotency_key_reused" {
            return match used {
                None => Some("the key is said to be used, and it is not".to_owned()),
                Some(entry) if entry.committed >= attempt.end => {
                    Some("the key is said to be used, and was not yet".to_owned())
                }
                Some(entry) => {
                    let writer = self.attempts.get(&entry.by);
                    let same = writer.is_some_and(|writer| writer.identity() == attempt.identity());
                    // Whoever signs up again shows that they still know the password.
                    (same && !self.moved_on(attempt, entry)).then(|| {
                        "the key is said to be another request's, and is this one's".to_owned()
                    })
                }
            };
        }
        let allowed = match attempt.operation {
            "signup" => self.signup_refused(attempt, code),
            "login" => self.login_refused(attempt, code),
            "reset" => code == "player_not_found" && self.nobody_to_reset(attempt),
            "rename" if code == "nickname_taken" => {
                let nickname = attempt.text("nickname");
                let held = self.held_nickname(nickname, attempt.start, attempt.end);
                held.iter().any(|held| Some(&held.player) != attempt.player.as_ref())
            }
            "invite" if code == "invite_code_exists" => {
                self.exists(&attempt.body["code"], attempt.end)
            }
            "invite" if code == "validation_failed" => {
                // In whole seconds.
                let ends = millis(&attempt.body["expires_at"]);
                ends - ends.rem_euclid(1_000) <= attempt.clock_ms
            }
            "refresh" if code == "refresh_reused" => {
                let (_, session, _) = attempt.refresh_token();
                let entry = used.or_else(|| self.written_by(attempt));
                return match entry {
                    Some(entry)
                        if entry.kind == "session_closed" && entry.fact["session"] == session =>
                    {
                        None
                    }
                    _ => Some(format!("refused with {code}, and the session went on: {body}")),
                };
            }
            "password" if code == "login_locked" => self.is_locked(attempt),
            "password" if code == "rate_limited" && self.waits_for_others(attempt) => true,
            "password" if code == "wrong_password" => {
                let presented = match used {
                    Some(entry) if entry.committed < attempt.end => "new_password",
                    _ => "current_password",
                };
                let snaps = self.snaps(attempt);
                not_the_one(snaps, attempt.text("current_password"))
                    || not_the_one(snaps, attempt.text(presented))
            }
            operation => {
                let day = day_of(attempt.clock_ms);
                let fits = |snap: &Snap| refusal(operation, snap, attempt, day, code, &problem);
                self.snaps(attempt).iter().any(fits)
            }
        };
        if !allowed {
            return Some(format!("refused with {status} {code}: {body}"));
        }
        // Before any rule is asked, a used key gives its answer again; but to a guess at a
        // password only once it was right, and where a name leads to nobody any more there
        // is no journal to find it in.
        let excepted = matches!(attempt.operation, "login" | "password" | "reset");
        match used {
            Some(entry) if entry.committed < attempt.start && !excepted => {
                Some(format!("refused with {code}, though entry {} has this key", entry.seq))
            }
            _ => None,
        }
    }

    /// Whether the request's session was open at some moment of it.
    pub fn signed_in(&self, attempt: &Attempt) -> bool {
        self.session_was(attempt, true)
    }

    /// Whether it was not open at some moment.
    fn signed_out(&self, attempt: &Attempt) -> bool {
        self.session_was(attempt, false)
    }

    fn session_was(&self, attempt: &Attempt, open: bool) -> bool {
        let Some(player) = &attempt.player else { return open };
        let Some(session) = &attempt.session else { return !open };
        let snaps = self.snaps_of(player, attempt);
        snaps.iter().any(|snap| snap.session(session).is_some() == open)
    }

    /// The player whom the request is about, as they were at each moment of it.
    fn snaps(&self, attempt: &Attempt) -> &[Snap] {
        attempt.about().map_or(&[], |player| self.snaps_of(player, attempt))
    }

    /// A player as they were at each moment of the request.
    pub fn snaps_of(&self, player: &str, attempt: &Attempt) -> &[Snap] {
        let books = self.players.get(player);
        books.map_or(&[], |books| books.snaps_between(attempt.start, attempt.end))
    }

    /// The entry that the request wrote.
    fn written_by(&self, attempt: &Attempt) -> Option<&Entry> {
        self.entries().find(|(_, entry)| entry.by == attempt.by).map(|(_, entry)| entry)
    }

    /// Whether the player who signed up has another password or name at some moment.
    fn moved_on(&self, attempt: &Attempt, entry: &Entry) -> bool {
        if attempt.operation != "signup" {
            return false;
        }
        let mut players = self.entries().filter(|(_, other)| other.by == entry.by);
        let Some((player, _)) = players.next() else { return false };
        let snaps = self.snaps_of(player, attempt);
        snaps.iter().any(|snap| snap.erased || snap.password != attempt.text("password"))
    }

    /// Whether there was no such account at some moment.
    fn nobody_to_reset(&self, attempt: &Attempt) -> bool {
        let snaps = self.snaps_of(&self.evidence.seeded[1].id, attempt);
        snaps.iter().any(|snap| snap.erased)
    }

    fn login_refused(&self, attempt: &Attempt, code: &str) -> bool {
        match code {
            "invalid_credentials" => {
                let (name, start, end) = (attempt.text("site_id"), attempt.start, attempt.end);
                if is_by_chance(name) {
                    return true;
                }
                let held = self.held_login(name, start, end);
                let [held] = held.as_slice() else { return true };
                if held.from >= start || held.to <= end {
                    return true;
                }
                let snaps = self.snaps_of(&held.player, attempt);
                not_the_one(snaps, attempt.text("password"))
            }
            "login_locked" => self.is_locked(attempt),
            // Or by a clock that is behind the one that last filled the bucket.
            "rate_limited" => {
                self.waits_for_others(attempt)
                    || self.attempts.values().any(|other| {
                        other.operation == "login" && other.clock_ms > attempt.clock_ms
                    })
            }
            _ => false,
        }
    }

    fn signup_refused(&self, attempt: &Attempt, code: &str) -> bool {
        let (start, end) = (attempt.start, attempt.end);
        match code {
            "invalid_invite_code" => self.uninvited(attempt),
            "underage" => attempt.body["birth_date"] != "1998-04-01",
            "site_id_taken" => !self.held_site(attempt.text("site_id"), start, end).is_empty(),
            "nickname_taken" => {
                !self.held_nickname(attempt.text("nickname"), start, end).is_empty()
            }
            _ => false,
        }
    }
}

/// Whether the password was another at some moment, or was set anew.
fn not_the_one(snaps: &[Snap], password: &str) -> bool {
    let set_by = snaps.first().map(|snap| snap.password_seq);
    snaps.iter().any(|snap| snap.password != password || Some(snap.password_seq) != set_by)
}

/// Refused before anything is looked up.
fn is_malformed(attempt: &Attempt) -> bool {
    let body = &attempt.body;
    match attempt.operation {
        "spin" => body["bet"].as_i64().is_none_or(|bet| bet < 1),
        "buy" => body["quantity"].as_i64().is_none_or(|quantity| !(1..=99).contains(&quantity)),
        _ => false,
    }
}

fn refusal(
    operation: &str,
    snap: &Snap,
    attempt: &Attempt,
    day: i64,
    code: &str,
    problem: &Value,
) -> bool {
    let body = &attempt.body;
    if code == "rate_limited" {
        let now_ms = attempt.clock_ms.max(snap.at_ms);
        return pace(operation).is_some_and(|pace| snap.is_too_fast(pace, now_ms));
    }
    let number = |name: &str| body[name].as_i64().unwrap_or(0);
    let poor = |needed: i64| {
        code == "insufficient_funds" && needed > snap.gold && problem["gold_balance"] == snap.gold
    };
    match operation {
        "spin" => {
            let bet = number("bet");
            poor(bet) || (code == "bet_too_large" && bet <= snap.gold && bet > MAX_BET)
        }
        "buy" if pack(attempt.text("product_id")).is_some() => {
            code == "validation_failed" && number("quantity") > 10
        }
        "buy" => match product(body["product_id"].as_str().unwrap_or_default()) {
            None => code == "product_not_found",
            Some((_, most, _)) if number("quantity") > most => code == "validation_failed",
            Some((price, ..)) => poor(price * number("quantity")),
        },
        "refresh" => {
            let (_, session, _) = attempt.refresh_token();
            let open = snap.session(session);
            code == "refresh_expired"
                && open.is_none_or(|open| open.ends_s * 1_000 <= attempt.clock_ms)
        }
        "claim" => code == "already_claimed" && snap.standing(day) == Standing::Claimed,
        _ => false,
    }
}
