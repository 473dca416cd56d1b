//! What clients do: commands of every kind, again when nobody answered, now and
//! then twice at once, and sometimes with somebody else's idea of a key.

mod sockets;
mod wishes;

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Role;
use runtime::auth::JwtKeys;
use serde_json::Value;
use uuid::Uuid;

pub use wishes::UNLIMITED;

use crate::{
    functions,
    history::{Event, Invocation},
    rng::Rng,
    run::{Purpose, Run},
    world::Asked,
};

/// Where an operation goes: method, path, function.
pub const fn route(operation: &str) -> (&'static str, &'static str, &'static str) {
    match operation.as_bytes() {
        b"signup" => ("POST", "/api/auth/signup", "auth-signup"),
        b"login" => ("POST", "/api/auth/login", "auth-login"),
        b"refresh" => ("POST", "/api/auth/refresh", "auth-refresh"),
        b"logout" => ("POST", "/api/auth/logout", "auth-logout"),
        b"logout_all" => ("POST", "/api/auth/logout-all", "auth-logout-all"),
        b"password" => ("POST", "/api/auth/password", "auth-password"),
        b"rename" => ("PUT", "/api/auth/profile", "account-rename"),
        b"erase" => ("DELETE", "/api/auth/me", "account-erase"),
        b"invite" => ("POST", "/api/admin/invite-codes", "invite-issue"),
        b"reset" => ("POST", "/api/dev/reset/user001", "dev-reset"),
        b"claim" => ("POST", "/api/streak/claim", "streak-claim"),
        b"spin" => ("POST", "/api/games/slot/spin", "slot-spin"),
        b"buy" => ("POST", "/api/shop/buy", "shop-buy"),
        b"settle" => ("POST", "/api/shop/transactions", "payment-settle"),
        b"rotate" => ("POST", "/api/games/fairness/rotate", "fairness"),
        b"ticket" => ("POST", "/api/realtime/ticket", "realtime-ticket"),
        b"me" => ("GET", "/api/auth/me", "account-read"),
        b"balance" => ("GET", "/api/users/balance", "account-read"),
        b"stats" => ("GET", "/api/users/stats", "account-read"),
        b"streak" => ("GET", "/api/streak/status", "streak-read"),
        b"fairness" => ("GET", "/api/games/fairness", "fairness"),
        _ => ("GET", "/api/dashboard", "dashboard-read"),
    }
}

/// A request that a client means to get through.
#[derive(Clone, Debug)]
pub struct Command {
    pub operation: &'static str,
    pub player: Option<String>,
    /// The session it is to come in; without one, whichever is open when it is sent.
    pub session: Option<Uuid>,
    pub key: Option<String>,
    pub body: Value,
    /// A definite answer came.
    pub settled: bool,
    pub in_flight: u32,
    pub attempts: u32,
}

/// A player, as far as clients know.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub id: String,
    pub site_id: String,
    pub nickname: String,
    pub password: String,
    pub role: Role,
    /// Sessions that answers told of, the latest last, without those that were refused
    /// since.
    pub sessions: Vec<Uuid>,
    /// Every refresh token that answers told of.
    pub refresh_tokens: Vec<String>,
    /// Of purchases with money.
    pub receipts: Vec<String>,
    /// Nobody gets in as this player any more.
    pub gone: bool,
}

/// All clients together.
pub struct Clients {
    pub rng: Rng,
    pub keys: JwtKeys,
    pub players: Vec<Known>,
    /// Who issues invite codes and resets a seed account.
    pub admin: Known,
    pub commands: Vec<Command>,
    /// New commands still to come.
    pub left: usize,
    signups: usize,
    invites: usize,
    /// The session that each request came in.
    sent: BTreeMap<Invocation, Uuid>,
    /// Tickets that were given out and not tried yet: player and ticket.
    pub tickets: Vec<(String, String)>,
    /// Those that were tried: whatever came of it, one does not open a second socket.
    tried: Vec<(String, String)>,
}

impl Clients {
    pub fn new(rng: Rng, keys: JwtKeys, commands: usize) -> Self {
        Self {
            rng,
            keys,
            players: Vec::new(),
            admin: Known::default(),
            commands: Vec::new(),
            left: commands,
            signups: 0,
            invites: 0,
            sent: BTreeMap::new(),
            tickets: Vec::new(),
            tried: Vec::new(),
        }
    }

    /// Commands that want another attempt.
    pub fn unsettled(&self) -> Vec<usize> {
        let open = |(at, command): (usize, &Command)| {
            (!command.settled && command.in_flight == 0).then_some(at)
        };
        self.commands.iter().enumerate().filter_map(open).collect()
    }

    fn known(&self, id: &str) -> Option<&Known> {
        self.players.iter().chain([&self.admin]).find(|known| known.id == id)
    }

    fn player(&mut self, id: &str) -> Option<&mut Known> {
        self.players.iter_mut().find(|known| known.id == id)
    }

    /// The session that a request of `command` comes in: nearly always the latest.
    fn session(&mut self, command: &Command) -> Option<(Uuid, Role)> {
        let known = self.known(command.player.as_ref()?)?;
        let (role, sessions) = (known.role, known.sessions.clone());
        let session = match command.session {
            Some(session) => session,
            None if self.rng.chance(900) => *sessions.last()?,
            None if sessions.is_empty() => return None,
            None => *self.rng.pick(&sessions),
        };
        Some((session, role))
    }

    /// Takes note of what an answer to `command` tells.
    fn learn(&mut self, command: &Command, session: Option<Uuid>, status: u16, answer: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let password = |name: &str| text(&command.body[name]);
        match (command.operation, status) {
            ("signup", 201) | ("login", 200) => {
                let user = &answer["user"];
                let id = text(&user["id"]);
                if self.player(&id).is_none() {
                    let site_id = text(&user["site_id"]);
                    self.players.push(Known { id: id.clone(), site_id, ..Known::default() });
                }
                let session = session_of(answer);
                let known = self.player(&id).expect("it is there by now");
                known.nickname = text(&user["nickname"]);
                known.password = password("password");
                if !known.sessions.contains(&session) {
                    known.sessions.push(session);
                    // Ids of sessions are in the order of time.
                    known.sessions.sort_unstable();
                }
                known.refresh_tokens.push(text(&answer["refresh_token"]));
            }
            ("login", 401) => {
                // The password was right as far as anybody knows: it is no longer, or
                // the player wished to be forgotten.
                let right = |known: &&mut Known| {
                    command.body["site_id"] == known.site_id
                        && command.body["password"] == known.password
                };
                if let Some(known) = self.players.iter_mut().find(right) {
                    known.gone = known.sessions.is_empty();
                }
            }
            ("refresh", 200) => {
                let token = text(&answer["refresh_token"]);
                let id = token.split('.').next().unwrap_or_default().to_owned();
                if let Some(known) = self.player(&id) {
                    known.refresh_tokens.push(token);
                }
            }
            ("buy", 202) => {
                let receipt = text(&answer["receipt"]);
                let known = command.player.as_ref().and_then(|id| self.player(id));
                if let Some(known) = known.filter(|known| !known.receipts.contains(&receipt)) {
                    known.receipts.push(receipt);
                }
            }
            (operation, 200) => {
                let Some(known) = command.player.as_ref().and_then(|id| self.player(id)) else {
                    return;
                };
                match operation {
                    "password" => known.password = password("new_password"),
                    "rename" => known.nickname = text(&answer["nickname"]),
                    "erase" => known.gone = true,
                    _ => {}
                }
            }
            (_, 401) => {
                let known = command.player.as_ref().and_then(|id| self.player(id));
                if let (Some(known), Some(session)) = (known, session) {
                    known.sessions.retain(|known| *known != session);
                }
            }
            _ => {}
        }
    }
}

impl Run {
    /// Whether [`Run::start_client`] would find something to do.
    pub fn has_client_work(&self) -> bool {
        if !self.clients.tickets.is_empty() {
            return true;
        }
        let busy = self.clients.commands.iter().filter(|command| command.in_flight > 0).count();
        let room = busy < self.world.lock().weather.concurrency;
        room && (self.clients.left > 0 || !self.clients.unsettled().is_empty())
    }

    /// Lets a client do the next thing.
    pub fn start_client(&mut self) {
        if let Some((player, ticket)) = self.clients.tickets.pop() {
            self.clients.tried.push((player.clone(), ticket.clone()));
            return self.connect(&player, &ticket);
        }
        if !self.clients.tried.is_empty() && self.clients.rng.chance(30) {
            let (player, ticket) = self.clients.rng.pick(&self.clients.tried).clone();
            return self.connect(&player, &ticket);
        }
        let unsettled = self.clients.unsettled();
        let insist = self.clients.left == 0 || self.clients.rng.chance(300);
        if insist && !unsettled.is_empty() {
            let at = *self.clients.rng.pick(&unsettled);
            return self.send(at);
        }
        if self.clients.left == 0 {
            return;
        }
        let (weather, now_ms) = {
            let world = self.world.lock();
            (world.weather.clone(), world.now_ms())
        };
        self.clients.left -= 1;
        let Some(command) = self.clients.invent(&weather, now_ms) else { return };
        self.clients.commands.push(command);
        let at = self.clients.commands.len() - 1;
        self.send(at);
        // An impatient client sends the same twice.
        if self.clients.rng.chance(100) {
            self.send(at);
        }
        // Keys without a player are everybody's: two strangers may hit on the same.
        let anonymous = self.clients.commands[at].operation == "signup";
        let keyed = self.clients.commands[at].key.is_some();
        if keyed && self.clients.rng.chance(if anonymous { 250 } else { 30 }) {
            let other = self.clients.again(at, true);
            self.clients.commands.push(other);
            self.send(at + 1);
        }
    }

    fn send(&mut self, at: usize) {
        let command = &mut self.clients.commands[at];
        command.in_flight += 1;
        command.attempts += 1;
        let command = command.clone();
        let (method, path, function) = route(command.operation);
        let by = self.next_invocation();
        let signed_in = self.clients.session(&command);
        let mut world = self.world.lock();
        let now = world.clock("");
        let mut headers = BTreeMap::from([("host", "sim".to_owned())]);
        if let (Some(player), Some((session, role))) = (&command.player, signed_in) {
            let id: domain::PlayerId = player.parse().expect("an id");
            // The plant is about days, not about tokens.
            let shift = jiff::SignedDuration::from_millis(world.planted_shift_ms(function));
            let issued = now.saturating_add(shift).expect("of this century");
            let token = self.clients.keys.issue(id.uuid(), role, session, issued);
            headers.insert("authorization", format!("Bearer {}", token.token.expose()));
            self.clients.sent.insert(by, session);
        }
        if let Some(key) = &command.key {
            headers.insert("idempotency-key", key.clone());
        }
        // A settle call says all in its path.
        let (path, body) = match command.operation {
            "settle" => {
                let receipt = command.body["receipt"].as_str().unwrap_or_default();
                (format!("{path}/{receipt}/settle"), None)
            }
            _ => (path.to_owned(), (!command.body.is_null()).then(|| command.body.to_string())),
        };
        if body.is_some() {
            headers.insert("content-type", "application/json".to_owned());
        }
        let event =
            functions::http_event(method, &path, &headers, body.as_deref(), &format!("r{by}"), now);
        let clock_ms = world.clock_ms(function);
        world.note(Event::Request {
            by,
            operation: command.operation,
            player: command.player.clone(),
            session: signed_in.map(|(session, _)| session.to_string()),
            key: command.key.clone(),
            body: command.body.clone(),
            clock_ms,
        });
        let session = signed_in.map(|(session, _)| session);
        world.asked.insert(by, Asked { operation: command.operation, body: command.body, session });
        drop(world);
        self.invoke(by, function, event, Purpose::Client { command: at });
    }

    /// A client's request has come to an end.
    pub fn answered(&mut self, by: Invocation, at: usize, answer: Result<Value, String>) {
        let session = self.clients.sent.remove(&by);
        let command = &mut self.clients.commands[at];
        command.in_flight -= 1;
        let is_read = route(command.operation).0 == "GET";
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                // Nobody is told of a read that came to nothing.
                command.settled |= is_read;
                return self.world.lock().note(Event::Silence { by, why });
            }
        };
        let status = answer["statusCode"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(0);
        let body = answer["body"].as_str().unwrap_or_default().to_owned();
        let replayed = answer["headers"]["idempotency-replayed"] == "true"
            || answer["multiValueHeaders"]["idempotency-replayed"][0] == "true";
        command.settled |= status < 500 || is_read;
        let command = command.clone();
        let read: Value = serde_json::from_str(&body).unwrap_or_default();
        if command.operation == "ticket"
            && status == 200
            && let (Some(player), Some(ticket)) = (&command.player, read["ticket"].as_str())
        {
            self.clients.tickets.push((player.clone(), ticket.to_owned()));
        }
        self.clients.learn(&command, session, status, &read);
        self.world.lock().note(Event::Answer { by, status, replayed, body });
    }
}

/// The session of an answer's access token.
fn session_of(answer: &Value) -> Uuid {
    let token = answer["access_token"].as_str().unwrap_or_default();
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("a token's claims");
    let claims: Value = serde_json::from_slice(&claims).expect("a token's claims");
    claims["sid"].as_str().unwrap_or_default().parse().expect("a session")
}
