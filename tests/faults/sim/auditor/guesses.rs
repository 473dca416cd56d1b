//! Guesses at passwords. Each counts from before it is looked at, for ten minutes or
//! until one at the same password is right.

use serde_json::Value;

use super::{Case, accounts::is_by_chance, clients::Attempt, model::Snap};

/// So many are looked at.
const MOST: usize = 5;
const COUNTS_FOR_MS: i64 = 10 * 60 * 1_000;
/// What is under way for longer counts as wrong, whatever comes of it.
const UNDER_WAY_FOR_MS: i64 = 30 * 1_000;

/// How a guess that was looked at is answered.
const WRONG: [&str; 2] = ["invalid_credentials", "wrong_password"];
/// How one that was not is.
const NOT_LOOKED_AT: [&str; 2] = ["login_locked", "rate_limited"];

impl Case<'_> {
    /// Nothing is looked at while so many wrong guesses count.
    pub fn guesses_are_few(&mut self) {
        let one_too_many =
            |attempt: &&Attempt| is_told(attempt, &WRONG) && self.is_one_too_many(attempt);
        let wrong: Vec<_> = self.attempts.values().filter(one_too_many).cloned().collect();
        for attempt in wrong {
            let what = format!("{} {} was looked at", attempt.operation, attempt.body);
            let rule = "after five wrong guesses none is looked at";
            self.find(rule, attempt.player.as_deref(), &[attempt.by], what);
        }
    }

    /// Whether so many may have been known to be wrong that nothing more is tried.
    pub fn is_locked(&self, attempt: &Attempt) -> bool {
        let wrong = |other: &&Attempt| {
            other.told().is_none() || is_told(other, &WRONG) || is_over(other, attempt)
        };
        self.guesses(attempt).filter(wrong).count() >= MOST
    }

    /// Whether so many counted that nothing more is tried, and one of them may have been
    /// under way.
    pub fn waits_for_others(&self, attempt: &Attempt) -> bool {
        self.guesses(attempt).count() >= MOST
            && self.guesses(attempt).any(|other| !is_over(other, attempt))
    }

    /// Whether the attempt should not have been looked at: so many certainly counted.
    fn is_one_too_many(&self, attempt: &Attempt) -> bool {
        let counts = |other: &&Attempt| {
            other.end < attempt.start
                && self.is_wrong(other)
                && !self.at_the_same(attempt).any(|third| self.may_forget(third, other))
        };
        self.guesses(attempt).filter(counts).count() >= MOST
    }

    /// Guesses at the same password that began before this one ended.
    fn at_the_same<'c>(&'c self, attempt: &'c Attempt) -> impl Iterator<Item = &'c Attempt> {
        let of_it = target(attempt);
        self.attempts.values().filter(move |other| {
            other.by != attempt.by && target(other) == of_it && other.start < attempt.end
        })
    }

    /// Those of them that are at most ten minutes older, by their clocks.
    fn guesses<'c>(&'c self, attempt: &'c Attempt) -> impl Iterator<Item = &'c Attempt> {
        let since = attempt.clock_ms - COUNTS_FOR_MS;
        self.at_the_same(attempt).filter(move |other| other.clock_ms > since)
    }

    /// Whether `third` may be why `other` no longer counts: it was right, or so much later
    /// by its clock that it forgot it as old.
    fn may_forget(&self, third: &Attempt, other: &Attempt) -> bool {
        let may_be_right = !self.is_wrong(third) && !is_told(third, &NOT_LOOKED_AT);
        (may_be_right && third.end > other.start)
            || third.clock_ms >= other.clock_ms + COUNTS_FOR_MS
    }

    /// Whether the guess was found wrong, and was so all the time: one that was right,
    /// and whose password changed meanwhile, is answered the same.
    fn is_wrong(&self, attempt: &Attempt) -> bool {
        let name = attempt.text("site_id");
        if !is_told(attempt, &WRONG) || is_by_chance(name) {
            return false;
        }
        let held = match attempt.operation {
            "login" => self.held_login(name, attempt.start, attempt.end),
            _ => Vec::new(),
        };
        let mut players = held.iter().map(|held| &held.player).chain(&attempt.player);
        let guessed = ["password", "current_password", "new_password"];
        let is_right = |snap: &Snap| guessed.iter().any(|of| snap.password == attempt.text(of));
        !players.any(|player| self.snaps_of(player, attempt).iter().any(is_right))
    }
}

/// What is guessed at: a login guesses at a name, a change of password at the caller's.
fn target(of: &Attempt) -> (&'static str, Option<&str>, String) {
    (of.operation, of.player.as_deref(), of.text("site_id").to_lowercase())
}

/// Whether `other` began too long before `attempt` to be under way.
const fn is_over(other: &Attempt, attempt: &Attempt) -> bool {
    other.clock_ms + UNDER_WAY_FOR_MS <= attempt.clock_ms
}

/// Whether the answer was a problem with one of these codes.
fn is_told(attempt: &Attempt, codes: &[&str]) -> bool {
    let body = attempt.told().unwrap_or_default();
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    problem["code"].as_str().is_some_and(|code| codes.contains(&code))
}
