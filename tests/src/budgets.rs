//! What every route, journal entry and socket costs at AWS: calls and capacity
//! units, exactly. `tests/budgets` holds the product to it, and `cargo xtask cost`
//! makes dollars of it.

mod measured;

use devstack::spec::HttpRoute;
use reqwest::Method;
use serde_json::json;

pub use self::measured::{Measured, measure};
use crate::{Call, PASSWORD, Player, signup_body};

const UUID_KEY: &str = "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a";
/// 128 characters, the longest key there may be.
const LONGEST_KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
                           kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

/// A call and what it may cost.
pub struct Row {
    /// As the template has it.
    pub route: &'static str,
    /// What is special about this call.
    pub note: &'static str,
    pub call: fn(&Player) -> Call,
    pub status: u16,
    /// Actions of DynamoDB and how often.
    pub calls: &'static [(&'static str, u64)],
    pub read: f64,
    pub write: f64,
}

/// Load, decide, commit.
const COMMAND: &[(&str, u64)] = &[("BatchGetItem", 1), ("TransactWriteItems", 1)];
/// Load, and the answer from the journal.
const REPLAY: &[(&str, u64)] = &[("BatchGetItem", 1), ("GetItem", 1)];
const ONE_ITEM: &[(&str, u64)] = &[("GetItem", 1)];
const SCREEN: &[(&str, u64)] = &[("Query", 1)];
const NOTHING: &[(&str, u64)] = &[];

const fn row(
    route: &'static str,
    note: &'static str,
    status: u16,
    call: fn(&Player) -> Call,
    calls: &'static [(&'static str, u64)],
    (read, write): (f64, f64),
) -> Row {
    Row { route, note, call, status, calls, read, write }
}

/// In the order they are called, by one player. Read units: one for each 4 KB
/// of an item, strongly consistent, and one for an item that is not there. Write
/// units: two for each KB of an item in a transaction.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("POST /api/auth/signup", "", 201, |p| p.api.post("/api/auth/signup", &signup_body("budget1", "budget1")), COMMAND, (2.0, 16.0)),
    row("POST /api/auth/signup", "with a key", 201, |p| p.api.post("/api/auth/signup", &signup_body("budget2", "budget2")).key(UUID_KEY), COMMAND, (2.0, 16.0)),
    row("POST /api/auth/register", "", 201, |p| p.api.post("/api/auth/register", &signup_body("budget3", "budget3")), COMMAND, (2.0, 16.0)),
    // A journal of one entry, so that the sizes of rounds do not matter.
    row("GET /api/users/stats", "", 200, |p| get(p, "/api/users/stats"), SCREEN, (1.0, 0.0)),
    row("GET /api/streak/history", "", 200, |p| get(p, "/api/streak/history"), SCREEN, (1.0, 0.0)),
    row("POST /api/auth/login", "", 200, log_in, &[("BatchGetItem", 3), ("TransactWriteItems", 1)], (6.0, 8.0)),
    row("POST /api/streak/claim", "", 200, claim, COMMAND, (2.0, 6.0)),
    row("POST /api/streak/claim", "again", 200, claim, REPLAY, (3.0, 0.0)),
    row("POST /api/games/slot/spin", "", 200, |p| p.spin(10, "spin"), COMMAND, (2.0, 6.0)),
    row("POST /api/games/slot/spin", "again", 200, |p| p.spin(10, "spin"), REPLAY, (3.0, 0.0)),
    row("POST /api/games/slot/spin", "another bet", 409, |p| p.spin(11, "spin"), &[("BatchGetItem", 1)], (2.0, 0.0)),
    row("POST /api/games/slot/spin", "key of 36", 200, |p| p.spin(10, UUID_KEY), COMMAND, (2.0, 6.0)),
    row("POST /api/games/slot/spin", "key of 128", 200, |p| p.spin(10, LONGEST_KEY), COMMAND, (2.0, 6.0)),
    row("POST /api/games/slot/spin", "too little gold", 422, |p| p.spin(50_000, "too-much"), &[("BatchGetItem", 1)], (2.0, 0.0)),
    row("POST /api/games/slot/spin", "no such bet", 422, |p| p.spin(0, "too-little"), NOTHING, (0.0, 0.0)),
    row("POST /api/shop/buy", "", 200, |p| p.buy("neon_frame", 1, "buy"), COMMAND, (2.0, 6.0)),
    row("POST /api/shop/buy", "key of 128", 200, |p| p.buy("streak_shield", 1, &LONGEST_KEY[1..]), COMMAND, (2.0, 6.0)),
    row("POST /api/shop/purchase", "", 200, |p| p.api.post("/api/shop/purchase", &json!({ "product_id": "neon_frame", "quantity": 1 })).key("purchase"), COMMAND, (2.0, 6.0)),
    row("GET /api/games/fairness", "", 200, |p| get(p, "/api/games/fairness"), ONE_ITEM, (1.0, 0.0)),
    row("POST /api/games/fairness/rotate", "", 200, |p| p.api.post("/api/games/fairness/rotate", &json!({ "client_seed": "mine" })).key("rotate"), COMMAND, (2.0, 6.0)),
    row("POST /api/games/fairness/verify", "", 200, verify, NOTHING, (0.0, 0.0)),
    row("GET /api/auth/me", "", 200, |p| get(p, "/api/auth/me"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/auth/profile", "", 200, |p| get(p, "/api/auth/profile"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/users/me", "", 200, |p| get(p, "/api/users/me"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/users/balance", "", 200, |p| get(p, "/api/users/balance"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/dashboard", "", 200, |p| get(p, "/api/dashboard"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/streak/status", "", 200, |p| get(p, "/api/streak/status"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/shop/catalog", "", 200, |p| get(p, "/api/shop/catalog"), NOTHING, (0.0, 0.0)),
    row("GET /api/shop/items", "", 200, |p| get(p, "/api/shop/items"), NOTHING, (0.0, 0.0)),
    row("POST /api/realtime/ticket", "", 200, |p| p.api.call(Method::POST, "/api/realtime/ticket"), &[("PutItem", 1)], (0.0, 1.0)),
    row("GET /health", "", 200, |p| get(p, "/health"), &[("BatchGetItem", 1)], (1.0, 0.0)),
    row("GET /api/auth/health", "", 200, |p| get(p, "/api/auth/health"), &[("BatchGetItem", 1)], (1.0, 0.0)),
    row("GET /openapi.json", "", 200, |p| get(p, "/openapi.json"), NOTHING, (0.0, 0.0)),
    row("$default", "unknown path", 404, |p| get(p, "/nowhere"), NOTHING, (0.0, 0.0)),
];

fn get(player: &Player, path: &str) -> Call {
    player.api.call(Method::GET, path)
}

fn claim(player: &Player) -> Call {
    player.api.call(Method::POST, "/api/streak/claim")
}

fn log_in(player: &Player) -> Call {
    let body = json!({ "site_id": player.site_id, "password": PASSWORD });
    player.api.post("/api/auth/login", &body)
}

fn verify(player: &Player) -> Call {
    let round = json!({
        "game": "slot", "server_seed": "00".repeat(32), "client_seed": "mine", "nonce": 1,
        "paytable_version": "slot-1",
    });
    player.api.post("/api/games/fairness/verify", &round)
}

/// A route of the template as [`Row::route`] has it.
#[must_use]
pub fn name_of(route: &HttpRoute) -> String {
    match route.path.as_str() {
        "$default" => "$default".to_owned(),
        path => format!("{} {path}", route.method),
    }
}

impl Row {
    /// The row of a route, of the call that changes something if one does.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn of(route: &str) -> &'static Self {
        ROWS.iter().find(|row| row.route == route).expect("a route of the list")
    }

    /// How many journal entries the call writes.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.calls.iter().filter(|(action, _)| *action == "TransactWriteItems").count() as u64
    }
}

/// What one function does about something that happened.
pub struct Part {
    /// Logical id.
    pub function: &'static str,
    /// How often it is invoked when nothing is batched.
    pub invocations: u64,
    /// Actions, with their services, and how often.
    pub calls: &'static [(&'static str, u64)],
    pub read: f64,
    pub write: f64,
}

const fn part(
    function: &'static str,
    invocations: u64,
    calls: &'static [(&'static str, u64)],
    (read, write): (f64, f64),
) -> Part {
    Part { function, invocations, calls, read, write }
}

/// What follows a journal entry, here a round, of a player with one open socket.
/// Loading it into ClickHouse is not in it: that calls nothing of AWS.
#[rustfmt::skip]
pub const BEHIND_AN_ENTRY: &[Part] = &[
    part("OutboxFunction", 1, &[("kinesis:PutRecords", 1), ("sqs:SendMessageBatch", 1)], (0.0, 0.0)),
    part("ProjectionsFunction", 1, &[("dynamodb:PutItem", 1), ("dynamodb:Query", 1), ("sqs:SendMessageBatch", 1)], (1.0, 1.0)),
    // Two messages: the entry's frames, and the statistics.
    part("PushFunction", 2, &[("dynamodb:Query", 2), ("execute-api:PostToConnection", 3)], (2.0, 0.0)),
];

/// A socket that is opened with a ticket, greeted, and closed again.
#[rustfmt::skip]
pub const A_SOCKET: &[Part] = &[
    part("SocketConnectFunction", 1, &[("dynamodb:PutItem", 2), ("dynamodb:UpdateItem", 1), ("sqs:SendMessageBatch", 1)], (0.0, 3.0)),
    part("PushFunction", 1, &[("dynamodb:GetItem", 1), ("dynamodb:Query", 1), ("dynamodb:UpdateItem", 1), ("execute-api:PostToConnection", 2)], (2.0, 1.0)),
    part("SocketDisconnectFunction", 1, &[("dynamodb:BatchGetItem", 1), ("dynamodb:DeleteItem", 2)], (1.0, 2.0)),
];

/// A ping, answered.
#[rustfmt::skip]
pub const A_PING: &[Part] = &[
    part("SocketMessageFunction", 1, &[("dynamodb:BatchGetItem", 1), ("execute-api:PostToConnection", 1)], (1.0, 0.0)),
];
