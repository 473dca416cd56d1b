//! What clients do: commands of every kind, again when nobody answered, now and
//! then twice at once, and sometimes with somebody else's idea of a key.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use runtime::auth::JwtKeys;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    functions,
    history::Event,
    rng::Rng,
    run::{Purpose, Run},
    world::{Socket, SocketState},
};

pub const PASSWORD: &str = "correct-horse-9";

/// How many earlier requests poison is taken from.
const MEMORY: usize = 1024;

/// Where an operation goes: method, path, function.
pub const fn route(operation: &str) -> (&'static str, &'static str, &'static str) {
    match operation.as_bytes() {
        b"signup" => ("POST", "/api/auth/signup", "auth-signup"),
        b"login" => ("POST", "/api/auth/login", "auth-login"),
        b"claim" => ("POST", "/api/streak/claim", "streak-claim"),
        b"spin" => ("POST", "/api/games/slot/spin", "slot-spin"),
        b"buy" => ("POST", "/api/shop/buy", "shop-buy"),
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
    pub key: Option<String>,
    pub body: Value,
    /// A definite answer came.
    pub settled: bool,
    pub in_flight: u32,
    pub attempts: u32,
}

/// A signed-up player.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: String,
    pub site_id: String,
    /// The latest session that an answer told of.
    pub session: Uuid,
}

/// All clients together.
pub struct Clients {
    pub rng: Rng,
    pub keys: JwtKeys,
    pub players: Vec<Known>,
    pub commands: Vec<Command>,
    /// New commands still to come.
    pub left: usize,
    signups: usize,
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
            commands: Vec::new(),
            left: commands,
            signups: 0,
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

    /// The next command, new or from memory. `None` while nobody has signed up and
    /// enough are trying.
    fn invent(&mut self, players: usize, poison: u64, hot: bool) -> Option<Command> {
        let keyed: Vec<usize> = (0..self.commands.len())
            .filter(|at| self.commands[*at].key.is_some())
            .rev()
            .take(MEMORY)
            .collect();
        if !keyed.is_empty() && self.rng.chance(poison) {
            let from = *self.rng.pick(&keyed);
            let otherwise = self.rng.chance(400);
            return Some(self.again(from, otherwise));
        }
        if self.players.len() < players && self.signups < players + 2 {
            return Some(self.sign_up());
        }
        if self.players.is_empty() {
            return None;
        }
        let who = if hot && self.rng.chance(900) { 0 } else { self.rng.index(self.players.len()) };
        let who = self.players[who].clone();
        let operation = match self.rng.below(100) {
            0..=37 => "spin",
            38..=47 => "buy",
            48..=62 => "claim",
            63..=66 => "rotate",
            67 => "login",
            68 if self.signups < players + 3 => return Some(self.sign_up()),
            68..=71 => "me",
            72..=74 => "balance",
            75..=83 => "stats",
            84..=88 => "streak",
            89..=90 => "fairness",
            91..=93 => "dashboard",
            _ => "ticket",
        };
        let body = self.body(operation, &who);
        let needs_key = matches!(operation, "spin" | "buy" | "rotate");
        let may_have = matches!(operation, "login" | "claim") && self.rng.chance(500);
        let key = (needs_key || may_have).then(|| self.fresh_key());
        Some(Command {
            operation,
            player: (operation != "login").then(|| who.id.clone()),
            key,
            body,
            settled: false,
            in_flight: 0,
            attempts: 0,
        })
    }

    fn fresh_key(&mut self) -> String {
        format!("k{:x}", self.rng.next() >> 24)
    }

    /// A few names, so that they collide.
    fn sign_up(&mut self) -> Command {
        self.signups += 1;
        let name = self.rng.below(6);
        let nickname = if self.rng.chance(900) { name } else { self.rng.below(6) };
        let invite = if self.rng.chance(970) { "5858" } else { "0000" };
        let birth = if self.rng.chance(970) { "1998-04-01" } else { "2020-04-01" };
        Command {
            operation: "signup",
            player: None,
            key: self.rng.chance(850).then(|| self.fresh_key()),
            body: json!({
                "site_id": format!("player{name}"), "nickname": format!("Nick{nickname}"),
                "password": PASSWORD, "invite_code": invite, "birth_date": birth,
            }),
            settled: false,
            in_flight: 0,
            attempts: 0,
        }
    }

    fn body(&mut self, operation: &str, who: &Known) -> Value {
        let rng = &mut self.rng;
        match operation {
            "spin" => {
                let bet = match rng.below(20) {
                    0 => *rng.pick(&[0, -5, 100_001, i64::MAX, i64::MIN, 1_i64 << 53]),
                    1..=3 => rng.range(500, 3_000),
                    4..=6 => rng.range(100, 600),
                    _ => rng.range(1, 60),
                };
                json!({ "bet": bet })
            }
            "buy" => {
                let product = *rng.pick(&[
                    "streak_shield",
                    "streak_shield",
                    "neon_frame",
                    "lucky_cat_avatar",
                    "nothing",
                ]);
                let quantity = *rng.pick(&[1, 1, 1, 2, 3, 11, 99]);
                json!({ "product_id": product, "quantity": quantity })
            }
            "rotate" => json!({ "client_seed": format!("seed-{:x}", rng.next() >> 40) }),
            "login" => {
                let password = if rng.chance(900) { PASSWORD } else { "another-one-1" };
                json!({ "site_id": who.site_id, "password": password })
            }
            _ => Value::Null,
        }
    }

    /// An earlier request, as it was or with another body.
    fn again(&mut self, from: usize, otherwise: bool) -> Command {
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
                    let name = self.rng.below(6);
                    command.body["site_id"] = format!("player{name}").into();
                    command.body["nickname"] = format!("Nick{name}").into();
                }
                _ => {}
            }
        }
        command
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
        let weather = self.world.lock().weather.clone();
        self.clients.left -= 1;
        let Some(command) = self.clients.invent(weather.players, weather.poison, weather.hot)
        else {
            return;
        };
        self.clients.commands.push(command);
        let at = self.clients.commands.len() - 1;
        self.send(at);
        // An impatient client sends the same twice.
        if self.clients.rng.chance(100) {
            self.send(at);
        }
        // Keys without a player are everybody's: two strangers may hit on the same.
        let anonymous = self.clients.commands[at].player.is_none();
        let keyed = self.clients.commands[at].key.is_some();
        if keyed && self.clients.rng.chance(if anonymous { 250 } else { 30 }) {
            let other = self.clients.again(at, true);
            self.clients.commands.push(other);
            self.send(at + 1);
        }
    }

    /// Every ticket that was tried is tried once more.
    pub fn try_tickets_again(&mut self) {
        for (player, ticket) in self.clients.tried.clone() {
            self.connect(&player, &ticket);
        }
    }

    fn send(&mut self, at: usize) {
        let command = &mut self.clients.commands[at];
        command.in_flight += 1;
        command.attempts += 1;
        let command = command.clone();
        let (method, path, function) = route(command.operation);
        let by = self.next_invocation();
        let mut world = self.world.lock();
        let now = world.clock("");
        let mut headers = BTreeMap::from([("host", "sim".to_owned())]);
        let known = command.player.as_ref();
        let known = known.and_then(|id| self.clients.players.iter().find(|known| known.id == *id));
        let session = known.map(|known| known.session);
        if let (Some(player), Some(session)) = (&command.player, session) {
            let id: domain::PlayerId = player.parse().expect("an id");
            // The plant is about days, not about tokens.
            let shift = jiff::SignedDuration::from_millis(world.planted_shift_ms(function));
            let issued = now.saturating_add(shift).expect("of this century");
            let token = self.clients.keys.issue(id.uuid(), domain::Role::Standard, session, issued);
            headers.insert("authorization", format!("Bearer {}", token.token.expose()));
        }
        if let Some(key) = &command.key {
            headers.insert("idempotency-key", key.clone());
        }
        let body = (!command.body.is_null()).then(|| command.body.to_string());
        if body.is_some() {
            headers.insert("content-type", "application/json".to_owned());
        }
        let event =
            functions::http_event(method, path, &headers, body.as_deref(), &format!("r{by}"), now);
        let clock_ms = world.clock_ms(function);
        world.note(Event::Request {
            by,
            operation: command.operation,
            player: command.player.clone(),
            session: session.map(|session| session.to_string()),
            key: command.key.clone(),
            body: command.body.clone(),
            clock_ms,
        });
        world.asked.insert(by, (command.operation, command.body));
        drop(world);
        self.invoke(by, function, event, Purpose::Client { command: at });
    }

    /// A client's request has come to an end.
    pub fn answered(&mut self, by: u32, at: usize, answer: Result<Value, String>) {
        let command = &mut self.clients.commands[at];
        command.in_flight -= 1;
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                // Nobody is told of a read that came to nothing.
                command.settled |= route(command.operation).0 == "GET";
                return self.world.lock().note(Event::Silence { by, why });
            }
        };
        let status = answer["statusCode"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(0);
        let body = answer["body"].as_str().unwrap_or_default().to_owned();
        let replayed = answer["headers"]["idempotency-replayed"] == "true"
            || answer["multiValueHeaders"]["idempotency-replayed"][0] == "true";
        command.settled |= status < 500 || route(command.operation).0 == "GET";
        let (operation, player) = (command.operation, command.player.clone());
        let read: Value = serde_json::from_str(&body).unwrap_or_default();
        if matches!((operation, status), ("signup", 201) | ("login", 200)) {
            let text = |name: &str| read["user"][name].as_str().unwrap_or_default().to_owned();
            let (id, site_id, session) = (text("id"), text("site_id"), session_of(&read));
            match self.clients.players.iter_mut().find(|known| known.id == id) {
                // Ids of sessions are in the order of time.
                Some(known) => known.session = known.session.max(session),
                None => self.clients.players.push(Known { id, site_id, session }),
            }
        }
        if operation == "ticket"
            && status == 200
            && let (Some(player), Some(ticket)) = (player, read["ticket"].as_str())
        {
            self.clients.tickets.push((player, ticket.to_owned()));
        }
        self.world.lock().note(Event::Answer { by, status, replayed, body });
    }

    fn connect(&mut self, player: &str, ticket: &str) {
        let by = self.next_invocation();
        let socket = format!("socket{by}");
        let mut world = self.world.lock();
        let now = world.clock("");
        let mut event = functions::socket_event("$connect", "CONNECT", &socket, now);
        event["queryStringParameters"] = json!({ "ticket": ticket });
        event["multiValueQueryStringParameters"] = json!({ "ticket": [ticket] });
        let (player, ticket) = (player.to_owned(), ticket.to_owned());
        world.note(Event::Opening { by, socket: socket.clone(), player, ticket });
        world.sockets.insert(socket.clone(), Socket { state: SocketState::Opening });
        drop(world);
        self.invoke(by, "socket-connect", event, Purpose::Connect { socket });
    }

    /// API Gateway's part once `$connect` has been answered, or not.
    pub fn connected(&self, socket: &str, answer: &Result<Value, String>) {
        let welcome = answer.as_ref().is_ok_and(|answer| answer["statusCode"] == 200);
        let mut world = self.world.lock();
        let end = world.sockets.get_mut(socket).expect("it was opening");
        end.state = if welcome { SocketState::Open } else { SocketState::Closed };
        let socket = socket.to_owned();
        world.note(if welcome { Event::Opened { socket } } else { Event::Closed { socket } });
    }

    pub fn open_sockets(&self) -> Vec<String> {
        let world = self.world.lock();
        let open = world.sockets.iter().filter(|(_, socket)| socket.state == SocketState::Open);
        open.map(|(id, _)| id.clone()).collect()
    }

    /// A socket breaks; API Gateway does its best to tell.
    pub fn close(&mut self, socket: &str) {
        let mut world = self.world.lock();
        world.sockets.get_mut(socket).expect("it was open").state = SocketState::Closed;
        world.note(Event::Closed { socket: socket.to_owned() });
        let now = world.clock("");
        let told = world.rng.chance(700);
        drop(world);
        if told {
            let by = self.next_invocation();
            let event = functions::socket_event("$disconnect", "DISCONNECT", socket, now);
            self.invoke(by, "socket-disconnect", event, Purpose::Other);
        }
    }

    /// The client asks for what it has missed.
    pub fn sync(&mut self, socket: &str) {
        let by = self.next_invocation();
        let mut world = self.world.lock();
        let last_seq = seen_whole(&world.history, socket);
        let now = world.clock("");
        let mut event = functions::socket_event("sync", "MESSAGE", socket, now);
        event["body"] = json!({ "action": "sync", "last_seq": last_seq }).to_string().into();
        world.note(Event::Sync { by, socket: socket.to_owned(), last_seq });
        drop(world);
        self.invoke(by, "socket-message", event, Purpose::Message { socket: socket.to_owned() });
    }
}

/// The last entry of which the client knows that it has seen all: frames come in
/// order, so the one before the latest.
fn seen_whole(history: &[Event], socket: &str) -> u64 {
    let mut whole = None;
    let mut seen = std::collections::BTreeSet::new();
    for event in history {
        if let Event::Frame { socket: at, frame, .. } = event
            && at == socket
        {
            let seq = frame["seq"].as_u64().unwrap_or_default();
            match frame["type"].as_str() {
                Some("initial_state") => whole = whole.max(Some(seq)),
                Some("sync_connected" | "pong" | "error" | "stats_update") => {}
                _ => drop(seen.insert(seq)),
            }
        }
    }
    let base = whole.unwrap_or(0);
    let mut last = base;
    while seen.contains(&(last + 1)) {
        last += 1;
    }
    if last > base { last - 1 } else { base }
}

/// The session of an answer's access token.
fn session_of(answer: &Value) -> Uuid {
    let token = answer["access_token"].as_str().unwrap_or_default();
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("a token's claims");
    let claims: Value = serde_json::from_slice(&claims).expect("a token's claims");
    claims["sid"].as_str().unwrap_or_default().parse().expect("a session")
}
