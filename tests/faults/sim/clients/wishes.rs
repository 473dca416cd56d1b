//! What clients come up with.

use serde_json::{Value, json};

use super::{Clients, Command, Known};
use crate::{provider::TOKENS, world::Weather};

/// Whoever signs up takes the first; a change takes any.
pub const PASSWORDS: [&str; 3] = ["correct-horse-9", "another-one-1", "third-time-lucky-3"];

/// The stage's code with any number of uses.
pub const UNLIMITED: &str = "5858";

/// How many earlier requests poison is taken from.
const MEMORY: usize = 1024;

/// Names that players take, so few that they collide.
const NAMES: u64 = 6;

impl Clients {
    /// The next command, new or from memory. `None` while nobody has signed up and
    /// enough are trying.
    pub(super) fn invent(&mut self, weather: &Weather, now_ms: i64) -> Option<Command> {
        if weather.guesses > 0 && self.rng.chance(weather.guesses) {
            return Some(guess());
        }
        let keyed: Vec<usize> = (0..self.commands.len())
            .filter(|at| self.commands[*at].key.is_some())
            .rev()
            .take(MEMORY)
            .collect();
        if !keyed.is_empty() && self.rng.chance(weather.poison) {
            let from = *self.rng.pick(&keyed);
            let otherwise = self.rng.chance(400);
            return Some(self.again(from, otherwise));
        }
        let here: Vec<usize> =
            (0..self.players.len()).filter(|at| !self.players[*at].gone).collect();
        // Codes are there before those whom they let in.
        if self.invites < 2 && self.rng.chance(300) {
            let admin = self.admin.clone();
            return Some(self.command("invite", &admin, now_ms));
        }
        // Besides the one that was there from the beginning.
        if here.len() < weather.players + 1 && self.signups < weather.players + 6 {
            return Some(self.sign_up());
        }
        let first = *here.first()?;
        let hot = weather.hot && self.rng.chance(900);
        let who = if hot { first } else { *self.rng.pick(&here) };
        let who = self.players[who].clone();
        if who.sessions.is_empty() {
            return Some(self.command("login", &who, now_ms));
        }
        let operation = match self.rng.below(100) {
            0..=33 => "spin",
            34..=42 => "buy",
            54..=55 if !who.receipts.is_empty() => "settle",
            43..=55 => "claim",
            56..=58 => "rotate",
            59..=61 => "login",
            62..=65 => "refresh",
            66 if self.rng.chance(700) => "logout",
            66 => "logout_all",
            67..=68 => "password",
            69..=71 => "rename",
            72 if self.rng.chance(400) => "erase",
            73..=74 => "invite",
            75 if self.rng.chance(300) => "reset",
            76 if self.signups < weather.players + 7 => return Some(self.sign_up()),
            72..=78 => "me",
            79..=80 => "balance",
            81..=86 => "stats",
            87..=90 => "streak",
            91 => "fairness",
            92..=94 => "dashboard",
            _ => "ticket",
        };
        Some(self.command(operation, &who, now_ms))
    }

    fn command(&mut self, operation: &'static str, who: &Known, now_ms: i64) -> Command {
        self.invites += usize::from(operation == "invite");
        let body = self.body(operation, who, now_ms);
        let needs_key = matches!(operation, "spin" | "buy" | "rotate" | "invite");
        let may_have = matches!(operation, "login" | "claim" | "refresh" | "password" | "reset");
        let has_key = needs_key || (may_have && self.rng.chance(500));
        let player = match operation {
            "login" | "refresh" => None,
            "invite" | "reset" => Some(self.admin.id.clone()),
            _ => Some(who.id.clone()),
        };
        // What these do depends on the session that they come in.
        let of_session = matches!(operation, "logout" | "logout_all" | "password");
        let session = of_session.then(|| *self.rng.pick(&who.sessions));
        Command { session, ..request(operation, player, has_key.then(|| self.fresh_key()), body) }
    }

    fn fresh_key(&mut self) -> String {
        format!("k{:x}", self.rng.next() >> 24)
    }

    fn sign_up(&mut self) -> Command {
        self.signups += 1;
        let name = self.rng.below(NAMES);
        let nickname = if self.rng.chance(900) { name } else { self.rng.below(NAMES) };
        let invite = match self.rng.below(100) {
            0..=49 => UNLIMITED.to_owned(),
            50..=96 => self.invite_code(),
            _ => "0000".to_owned(),
        };
        let birth = if self.rng.chance(970) { "1998-04-01" } else { "2020-04-01" };
        let key = self.rng.chance(850).then(|| self.fresh_key());
        let body = json!({
            "site_id": format!("player{name}"), "nickname": format!("Nick{nickname}"),
            "password": PASSWORDS[0], "invite_code": invite, "birth_date": birth,
        });
        request("signup", None, key, body)
    }

    fn invite_code(&mut self) -> String {
        format!("CODE-{}", self.rng.below(2))
    }

    /// A password, nearly always the one that is known.
    fn password(&mut self, who: &Known) -> String {
        if self.rng.chance(900) {
            who.password.clone()
        } else {
            (*self.rng.pick(&PASSWORDS)).to_owned()
        }
    }

    fn body(&mut self, operation: &str, who: &Known, now_ms: i64) -> Value {
        match operation {
            "spin" => {
                let rng = &mut self.rng;
                let bet = match rng.below(20) {
                    0 => *rng.pick(&[0, -5, 100_001, i64::MAX, i64::MIN, 1_i64 << 53]),
                    1..=3 => rng.range(500, 3_000),
                    4..=6 => rng.range(100, 600),
                    _ => rng.range(1, 60),
                };
                json!({ "bet": bet })
            }
            "buy" if self.rng.chance(400) => {
                let product =
                    *self.rng.pick(&["gold_pack_1000", "gold_pack_1000", "gold_pack_5500"]);
                let quantity = *self.rng.pick(&[1, 1, 1, 2, 3, 11]);
                let (token, ..) = *self.rng.pick(&TOKENS);
                json!({ "product_id": product, "quantity": quantity, "payment_token": token })
            }
            "settle" => json!({ "receipt": self.rng.pick(&who.receipts) }),
            "buy" => {
                let product = *self.rng.pick(&[
                    "streak_shield",
                    "streak_shield",
                    "neon_frame",
                    "lucky_cat_avatar",
                    "nothing",
                ]);
                let quantity = *self.rng.pick(&[1, 1, 1, 2, 3, 11, 99]);
                json!({ "product_id": product, "quantity": quantity })
            }
            "rotate" => json!({ "client_seed": format!("seed-{:x}", self.rng.next() >> 40) }),
            "login" => {
                let name = if self.rng.chance(700) { &who.site_id } else { &who.nickname };
                json!({ "site_id": name, "password": self.password(who) })
            }
            "refresh" => json!({ "refresh_token": self.refresh_token(who) }),
            "password" => {
                let new = *self.rng.pick(&PASSWORDS);
                json!({ "current_password": self.password(who), "new_password": new })
            }
            "rename" => {
                let case = if self.rng.chance(800) { "Nick" } else { "nick" };
                json!({ "nickname": format!("{case}{}", self.rng.below(NAMES)) })
            }
            "invite" => {
                const HOUR_MS: i64 = 3_600_000;
                let hours = *self.rng.pick(&[1, 48, 480, 480, -1]);
                let ends = jiff::Timestamp::from_millisecond(now_ms + hours * HOUR_MS);
                let uses = *self.rng.pick(&[1, 1, 2, 3]);
                json!({
                    "code": self.invite_code(), "uses": uses, "reason": "a campaign",
                    "expires_at": ends.expect("of this century").to_string(),
                })
            }
            _ => Value::Null,
        }
    }

    /// The latest, as a client would, or a copy of an earlier one, as a thief would.
    fn refresh_token(&mut self, who: &Known) -> String {
        match who.refresh_tokens.last() {
            Some(latest) if self.rng.chance(750) => latest.clone(),
            Some(_) => self.rng.pick(&who.refresh_tokens).clone(),
            None => "a.b.c.d".to_owned(),
        }
    }

    /// An earlier request, as it was or with another body.
    pub(super) fn again(&mut self, from: usize, otherwise: bool) -> Command {
        let mut command = self.commands[from].clone();
        (command.settled, command.in_flight, command.attempts) = (false, 0, 0);
        if otherwise {
            let more = self.rng.range(1, 9);
            match command.operation {
                "spin" => command.body = json!({ "bet": 10 + more }),
                "buy" if self.rng.chance(300) => {
                    (command.operation, command.body) = ("spin", json!({ "bet": more }));
                }
                "buy" => {
                    command.body = json!({ "product_id": "streak_shield", "quantity": more });
                }
                "rotate" => command.body = json!({ "client_seed": format!("other-{more}") }),
                "signup" => {
                    let name = self.rng.below(NAMES);
                    command.body["site_id"] = format!("player{name}").into();
                    command.body["nickname"] = format!("Nick{name}").into();
                }
                "refresh" => {
                    let who = self.rng.pick(&self.players).clone();
                    command.body = json!({ "refresh_token": self.refresh_token(&who) });
                }
                "password" => {
                    command.body["new_password"] = (*self.rng.pick(&PASSWORDS)).into();
                }
                "invite" => command.body["uses"] = (3 + more).into(),
                _ => {}
            }
        }
        command
    }
}

/// A guess at the password of a name that nobody takes: wrong, whatever happens meanwhile.
fn guess() -> Command {
    let body = json!({ "site_id": format!("player{NAMES}"), "password": PASSWORDS[0] });
    request("login", None, None, body)
}

fn request(
    operation: &'static str,
    player: Option<String>,
    key: Option<String>,
    body: Value,
) -> Command {
    Command {
        operation,
        player,
        session: None,
        key,
        body,
        settled: false,
        in_flight: 0,
        attempts: 0,
    }
}
