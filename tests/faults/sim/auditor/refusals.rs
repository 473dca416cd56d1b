//! Refusals: each is one that the model allows at some moment of the request.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Books, Case,
    clients::Attempt,
    journal::sessions,
    model::{MAX_BET, Snap, Standing, day_of, product},
};
use crate::history::Invocation;

impl Case<'_> {
    /// What is wrong with being refused.
    pub fn refused(
        &self,
        attempt: &Attempt,
        once: Option<&str>,
        status: u16,
        body: &str,
        by: &BTreeMap<Invocation, Attempt>,
    ) -> Option<String> {
        let problem: Value = serde_json::from_str(body).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default();
        if code == "unauthenticated" {
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
                    let same =
                        by.get(&entry.by).is_some_and(|w| w.identity() == attempt.identity());
                    same.then(|| {
                        "the key is said to be another request's, and is this one's".to_owned()
                    })
                }
            };
        }
        let allowed = match attempt.operation {
            "signup" => self.signup_refused(attempt, code),
            "login" => match code {
                "invalid_credentials" => attempt.body["password"] != crate::clients::PASSWORD,
                "login_locked" => guesses(attempt, by) >= 5,
                // By a clock that is behind the one that last filled the bucket.
                "rate_limited" => by
                    .values()
                    .any(|other| other.operation == "login" && other.clock_ms > attempt.clock_ms),
                _ => false,
            },
            operation => {
                let books = attempt.player.as_ref().and_then(|player| self.players.get(player));
                let snaps = books.map_or(&[][..], |b| b.snaps_between(attempt.start, attempt.end));
                let day = day_of(attempt.clock_ms);
                snaps
                    .iter()
                    .any(|snap| refusal(operation, snap, &attempt.body, day, code, &problem))
            }
        };
        if !allowed {
            return Some(format!("refused with {status} {code}: {body}"));
        }
        // Before any rule is asked, a used key gives its answer again.
        let first = attempt.operation != "signup" || !is_static(code);
        match used {
            Some(entry)
                if entry.committed < attempt.start && first && attempt.operation != "login" =>
            {
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
        let (Some(player), Some(session)) = (&attempt.player, &attempt.session) else {
            return open;
        };
        let Some(books) = self.players.get(player) else { return !open };
        let session = session.replace('-', "");
        books.versions(attempt.start, attempt.end).any(|version| {
            let entries = &books.entries[..version.min(books.entries.len())];
            sessions(entries).iter().any(|stored| stored.starts_with(&session)) == open
        })
    }

    fn signup_refused(&self, attempt: &Attempt, code: &str) -> bool {
        let body = &attempt.body;
        let taken = |prefix: &str, name: &Value| {
            let name = name.as_str().unwrap_or_default().to_lowercase();
            let item = self.others.get(&format!("{prefix}#{name}/{prefix}"));
            let owner = item.and_then(|item| self.players.get(item["player"].as_str()?));
            let born = |books: &Books| books.entries.first().map(|entry| entry.committed);
            owner.and_then(born).is_some_and(|born| born < attempt.end)
        };
        match code {
            "invalid_invite_code" => body["invite_code"] != "5858",
            "underage" => body["birth_date"] != "1998-04-01",
            "site_id_taken" => taken("SITE", &body["site_id"]),
            "nickname_taken" => taken("NICK", &body["nickname"]),
            _ => false,
        }
    }
}

/// How many logins to the same name began before this one ended and within ten
/// minutes of it: each counts as a wrong guess until its password was found right.
fn guesses(attempt: &Attempt, by: &BTreeMap<Invocation, Attempt>) -> usize {
    const TEN_MINUTES_MS: u64 = 10 * 60 * 1_000;
    by.values()
        .filter(|other| other.operation == "login" && other.by != attempt.by)
        .filter(|other| other.body["site_id"] == attempt.body["site_id"])
        .filter(|other| other.start < attempt.end)
        .filter(|other| other.clock_ms.abs_diff(attempt.clock_ms) < TEN_MINUTES_MS)
        .count()
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

/// Signup asks these before it looks at its key.
fn is_static(code: &str) -> bool {
    matches!(code, "invalid_invite_code" | "underage")
}

fn refusal(
    operation: &str,
    snap: &Snap,
    body: &Value,
    day: i64,
    code: &str,
    problem: &Value,
) -> bool {
    let number = |name: &str| body[name].as_i64().unwrap_or(0);
    let poor = |needed: i64| {
        code == "insufficient_funds" && needed > snap.gold && problem["gold_balance"] == snap.gold
    };
    match operation {
        "spin" => {
            let bet = number("bet");
            poor(bet) || (code == "bet_too_large" && bet <= snap.gold && bet > MAX_BET)
        }
        "buy" => match product(body["product_id"].as_str().unwrap_or_default()) {
            None => code == "product_not_found",
            Some((_, most, _)) if number("quantity") > most => code == "validation_failed",
            Some((price, ..)) => poor(price * number("quantity")),
        },
        "claim" => code == "already_claimed" && snap.standing(day) == Standing::Claimed,
        _ => false,
    }
}
