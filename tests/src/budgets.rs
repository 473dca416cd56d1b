//! What every route, journal entry and socket costs at AWS: calls and capacity
//! units, exactly. `tests/budgets` holds the product to it, and `cargo xtask cost`
//! makes dollars of it.

mod measured;

use devstack::spec::HttpRoute;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use runtime::Clock;
use serde_json::{Value, json};

pub use self::measured::{Measured, measure};
use crate::{Call, PASSWORD, Player, signup_body};

const UUID_KEY: &str = "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a";
/// 128 characters, the longest key there may be.
const LONGEST_KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
                           kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

const WRONG: &str = "wrong-horse-9";
const NEXT: &str = "another-horse-9";
const EMAIL: &str = "budgets@mail.example";

/// A call and what it may cost.
pub struct Row {
    /// As the template has it.
    pub route: &'static str,
    /// What is special about this call.
    pub note: &'static str,
    pub by: By,
    pub call: fn(&Player) -> Call,
    pub status: u16,
    /// Actions and how often; DynamoDB's without their service.
    pub calls: &'static [(&'static str, u64)],
    pub read: f64,
    pub write: f64,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The one player of most rows.
    Regular,
    /// Somebody who has just signed up: the call ends or uses up a session.
    Newcomer,
    /// The one administrator.
    Admin,
}

/// Load, decide, commit.
const COMMAND: &[(&str, u64)] = &[("BatchGetItem", 1), ("TransactWriteItems", 1)];
/// Load, and the answer from the journal.
const REPLAY: &[(&str, u64)] = &[("BatchGetItem", 1), ("GetItem", 1)];
/// Guesses counted, name and password looked up, the command, guesses forgiven.
const LOGIN: &[(&str, u64)] = &[("BatchGetItem", 5), ("PutItem", 4), ("TransactWriteItems", 1)];
/// Load, guesses counted, password looked up, the command, guesses forgiven.
const PASSWORD_CHANGE: &[(&str, u64)] =
    &[("BatchGetItem", 5), ("PutItem", 2), ("TransactWriteItems", 1)];
/// The code looked up, then the command.
const INVITED: &[(&str, u64)] = &[("BatchGetItem", 2), ("TransactWriteItems", 1)];
/// The caller, the account by its name, the command.
const RESET: &[(&str, u64)] = &[("BatchGetItem", 3), ("GetItem", 1), ("TransactWriteItems", 1)];
/// A command, and the state after it.
const CHANGE_AND_READ: &[(&str, u64)] =
    &[("BatchGetItem", 1), ("GetItem", 1), ("TransactWriteItems", 1)];
/// The caller, and the rules in force.
const RULES: &[(&str, u64)] = &[("BatchGetItem", 1), ("GetItem", 1)];
/// Load, the endpoints, load again, decide, commit.
const EDIT: &[(&str, u64)] = &[("BatchGetItem", 3), ("TransactWriteItems", 1)];
/// Used before? Assessed, begun, charged, and what the provider answered.
const PAY: &[(&str, u64)] = &[("BatchGetItem", 6), ("PutItem", 5), ("TransactWriteItems", 2)];
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
    Row { route, note, by: By::Regular, call, status, calls, read, write }
}

impl Row {
    const fn by(self, by: By) -> Self {
        Self { by, ..self }
    }
}

/// In the order they are called, by one player. Read units: one for each 4 KB
/// of an item, strongly consistent, and one for an item that is not there. Write
/// units: two for each KB of an item in a transaction, one outside of it.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("POST /api/auth/signup", "", 201, |p| p.api.post("/api/auth/signup", &signup_body("budget1", "budget1")), COMMAND, (2.0, 14.0)),
    row("POST /api/auth/signup", "with a key", 201, |p| p.api.post("/api/auth/signup", &signup_body("budget2", "budget2")).key(UUID_KEY), COMMAND, (2.0, 14.0)),
    row("POST /api/auth/register", "", 201, |p| p.api.post("/api/auth/register", &signup_body("budget3", "budget3")), COMMAND, (2.0, 14.0)),
    // A journal of one entry, so that the sizes of rounds do not matter.
    row("GET /api/users/stats", "", 200, |p| get(p, "/api/users/stats"), SCREEN, (1.0, 0.0)),
    row("GET /api/profile", "", 200, |p| get(p, "/api/profile"), &[("GetItem", 1), ("Query", 2)], (3.0, 0.0)),
    row("GET /api/streak/history", "", 200, |p| get(p, "/api/streak/history"), &[("GetItem", 1), ("Query", 1)], (2.0, 0.0)),
    row("POST /api/auth/login", "", 200, |p| p.try_password(PASSWORD), LOGIN, (10.0, 10.0)),
    row("POST /api/auth/login", "wrong password", 401, |p| p.try_password(WRONG), &[("BatchGetItem", 4), ("PutItem", 4)], (8.0, 4.0)),
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
    // Before anybody pays: then the provider calls it, too.
    row("POST /api/shop/webhook/payment", "unsigned", 401, |p| p.api.post("/api/shop/webhook/payment", &json!({})), NOTHING, (0.0, 0.0)),
    row("POST /api/shop/buy", "a pack", 202, |p| p.pay("gold_pack_1000", 1, "tok_pending_ok", "pack"), PAY, (13.0, 23.0)),
    row("POST /api/shop/buy", "a pack, again", 202, |p| p.pay("gold_pack_1000", 1, "tok_pending_ok", "pack"), &[("BatchGetItem", 2), ("GetItem", 1), ("sqs:SendMessageBatch", 1)], (4.0, 0.0)),
    row("POST /api/shop/limited/buy", "unknown", 404, |p| p.pay_limited("nothing", 1, "tok_ok", "limited"), &[("BatchGetItem", 1), ("sqs:SendMessageBatch", 1)], (2.0, 0.0)),
    row("GET /api/shop/limited", "none", 200, |p| get(p, "/api/shop/limited"), &[("GetItem", 1), ("Query", 1)], (1.5, 0.0)),
    row("GET /api/recommendations", "never looked at", 200, |p| get(p, "/api/recommendations"), &[("GetItem", 2)], (1.5, 0.0)),
    row("GET /api/shop/transactions", "", 200, |p| get(p, "/api/shop/transactions"), &[("GetItem", 1), ("Query", 2)], (4.0, 0.0)),
    row("GET /api/shop/transactions/{receipt}", "unknown", 404, |p| get(p, &format!("/api/shop/transactions/{}", p.id)), &[("BatchGetItem", 2)], (3.0, 0.0)),
    row("POST /api/shop/transactions/{receipt}/settle", "unknown", 404, |p| p.settle(&p.id), &[("BatchGetItem", 2)], (3.0, 0.0)),
    row("GET /api/games/fairness", "", 200, |p| get(p, "/api/games/fairness"), ONE_ITEM, (1.0, 0.0)),
    row("POST /api/games/fairness/rotate", "", 200, |p| p.api.post("/api/games/fairness/rotate", &json!({ "client_seed": "mine" })).key("rotate"), COMMAND, (2.0, 6.0)),
    row("POST /api/games/fairness/verify", "", 200, verify, NOTHING, (0.0, 0.0)),
    row("GET /api/auth/me", "", 200, |p| get(p, "/api/auth/me"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/auth/profile", "", 200, |p| get(p, "/api/auth/profile"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/users/me", "", 200, |p| get(p, "/api/users/me"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/users/profile", "", 200, |p| get(p, "/api/users/profile"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/users/{id}", "", 200, |p| get(p, &format!("/api/users/{}", p.id)), &[("GetItem", 2)], (2.0, 0.0)),
    row("GET /api/users/balance", "", 200, |p| get(p, "/api/users/balance"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/dashboard", "", 200, |p| get(p, "/api/dashboard"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/streak/status", "", 200, |p| get(p, "/api/streak/status"), ONE_ITEM, (1.0, 0.0)),
    row("GET /api/shop/catalog", "", 200, |p| get(p, "/api/shop/catalog"), NOTHING, (0.0, 0.0)),
    row("GET /api/shop/items", "", 200, |p| get(p, "/api/shop/items"), NOTHING, (0.0, 0.0)),
    row("POST /api/realtime/ticket", "", 200, |p| p.api.call(Method::POST, "/api/realtime/ticket"), &[("GetItem", 1), ("PutItem", 1)], (1.0, 1.0)),
    row("PUT /api/auth/profile", "", 200, |p| rename(p, "budgeted"), CHANGE_AND_READ, (3.0, 10.0)),
    row("PUT /api/auth/profile", "the same", 200, |p| rename(p, "budgeted"), REPLAY, (3.0, 0.0)),
    row("POST /api/auth/password", "", 200, |p| p.change_password(PASSWORD, NEXT).key("password"), PASSWORD_CHANGE, (8.0, 10.0)),
    row("POST /api/auth/password", "again", 200, |p| p.change_password(PASSWORD, NEXT).key("password"), &[("BatchGetItem", 4), ("GetItem", 1), ("PutItem", 2)], (7.0, 2.0)),
    row("POST /api/auth/password", "wrong password", 422, |p| p.change_password(WRONG, NEXT), &[("BatchGetItem", 4), ("PutItem", 2)], (6.0, 2.0)),
    row("PUT /api/auth/email", "", 200, |p| p.give_email(EMAIL, NEXT).key("email"), PASSWORD_CHANGE, (8.0, 10.0)),
    row("PUT /api/auth/email", "again", 200, |p| p.give_email(EMAIL, NEXT).key("email"), &[("BatchGetItem", 4), ("GetItem", 1), ("PutItem", 2)], (7.0, 2.0)),
    row("POST /api/auth/email/confirm", "no such token", 422, |p| p.confirm_email("1.x"), &[("GetItem", 1), ("Query", 1)], (2.0, 0.0)),
    row("DELETE /api/auth/email", "", 200, Player::remove_email, &[("BatchGetItem", 1), ("GetItem", 1), ("Query", 1), ("TransactWriteItems", 1)], (4.0, 10.0)),
    row("DELETE /api/auth/email", "again", 200, Player::remove_email, &[("GetItem", 1), ("Query", 1)], (2.0, 0.0)),
    row("POST /api/admin/invite-codes", "", 201, issue_invite, COMMAND, (2.0, 8.0)).by(By::Admin),
    row("POST /api/admin/invite-codes", "again", 201, issue_invite, REPLAY, (3.0, 0.0)).by(By::Admin),
    row("POST /api/admin/webhooks/endpoints", "", 201, register_webhook, EDIT, (5.0, 8.0)).by(By::Admin),
    row("POST /api/admin/webhooks/endpoints", "again", 201, register_webhook, REPLAY, (3.0, 0.0)).by(By::Admin),
    row("GET /api/admin/webhooks/endpoints", "", 200, |p| get(p, "/api/admin/webhooks/endpoints"), &[("BatchGetItem", 1), ("GetItem", 1)], (2.0, 0.0)).by(By::Admin),
    row("PUT /api/admin/webhooks/endpoints/{id}", "unknown", 404, |p| webhook(p, Method::PUT, "endpoints/{}"), &[("BatchGetItem", 3)], (5.0, 0.0)).by(By::Admin),
    row("POST /api/admin/webhooks/endpoints/{id}/rotate-secret", "unknown", 404, |p| webhook(p, Method::POST, "endpoints/{}/rotate-secret"), &[("BatchGetItem", 3)], (5.0, 0.0)).by(By::Admin),
    row("DELETE /api/admin/webhooks/endpoints/{id}", "unknown", 404, |p| webhook(p, Method::DELETE, "endpoints/{}?reason=budgets"), &[("BatchGetItem", 3)], (5.0, 0.0)).by(By::Admin),
    row("GET /api/admin/webhooks/deliveries", "none", 200, |p| get(p, &format!("/api/admin/webhooks/deliveries?endpoint={}", p.id)), &[("GetItem", 1), ("Query", 4)], (5.0, 0.0)).by(By::Admin),
    row("GET /api/admin/webhooks/deliveries", "none failed", 200, |p| get(p, &format!("/api/admin/webhooks/deliveries?endpoint={}&status=failed", p.id)), &[("GetItem", 1), ("Query", 1)], (2.0, 0.0)).by(By::Admin),
    row("POST /api/admin/webhooks/replay/{id}", "unknown", 404, |p| webhook(p, Method::POST, "replay/msg_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &[("BatchGetItem", 2)], (3.0, 0.0)).by(By::Admin),
    row("GET /api/admin/dead-letters", "none", 200, |p| get(p, "/api/admin/dead-letters"), &[("GetItem", 1), ("Query", 1)], (2.0, 0.0)).by(By::Admin),
    row("POST /api/admin/dead-letters/{id}/replay", "unknown", 404, |p| p.api.post(&format!("/api/admin/dead-letters/{}/replay", p.id), &json!({ "reason": "budgets" })).key("letter"), &[("BatchGetItem", 2)], (3.0, 0.0)).by(By::Admin),
    row("POST /api/admin/limited-packages", "", 201, |p| p.api.post("/api/admin/limited-packages", &crate::shop::package("budgets", 10, 2, 1)).key("package"), COMMAND, (2.0, 12.0)).by(By::Admin),
    row("POST /api/admin/limited-packages/{code}/promo-codes", "unknown", 404, |p| p.api.post("/api/admin/limited-packages/nothing/promo-codes", &json!({ "code": "EARLY", "price": { "gold": 1 }, "uses": 1, "ends_at": "2099-01-01T00:00:00Z", "reason": "budgets" })).key("promo"), &[("BatchGetItem", 1)], (3.0, 0.0)).by(By::Admin),
    row("POST /api/auth/signup", "counted code", 201, |p| p.api.post("/api/auth/signup", &with_code("budgets")), INVITED, (3.0, 16.0)),
    row("POST /api/auth/signup", "unknown code", 422, |p| p.api.post("/api/auth/signup", &with_code("nobody-knows")), &[("BatchGetItem", 1)], (1.0, 0.0)),
    row("GET /api/admin/fraud/rules", "", 200, |p| get(p, "/api/admin/fraud/rules"), RULES, (2.0, 0.0)).by(By::Admin),
    row("PUT /api/admin/fraud/rules", "", 200, put_fraud_rules, COMMAND, (2.0, 10.0)).by(By::Admin),
    row("PUT /api/admin/fraud/rules", "again", 200, put_fraud_rules, REPLAY, (3.0, 0.0)).by(By::Admin),
    row("POST /api/admin/fraud/rules/test", "", 200, test_fraud_rules, &[("BatchGetItem", 2), ("GetItem", 1), ("Query", 8)], (11.0, 0.0)).by(By::Admin),
    row("GET /api/admin/fraud/audit", "", 200, |p| get(p, "/api/admin/fraud/audit"), &[("BatchGetItem", 1), ("GetItem", 1), ("Query", 8)], (10.0, 0.0)).by(By::Admin),
    row("GET /api/olap/health", "", 200, |p| get(p, "/api/olap/health"), &[("GetItem", 1)], (1.0, 0.0)).by(By::Admin),
    row("POST /api/dev/reset/{site_id}", "", 200, reset, RESET, (7.0, 16.0)).by(By::Admin),
    row("POST /api/dev/reset/{site_id}", "again", 200, reset, &[("BatchGetItem", 3), ("GetItem", 2)], (8.0, 0.0)).by(By::Admin),
    row("GET /api/auth/export", "", 200, |p| get(p, "/api/auth/export"), &[("GetItem", 1), ("Query", 5)], (5.5, 0.0)).by(By::Newcomer),
    row("POST /api/auth/refresh", "", 200, Player::refresh, COMMAND, (2.0, 6.0)).by(By::Newcomer),
    row("POST /api/auth/refresh", "no such token", 401, |p| p.api.post("/api/auth/refresh", &json!({ "refresh_token": "a.b.1.c" })), NOTHING, (0.0, 0.0)),
    row("POST /api/auth/logout", "", 200, Player::log_out, COMMAND, (2.0, 6.0)).by(By::Newcomer),
    row("POST /api/auth/logout-all", "", 200, |p| p.api.call(Method::POST, "/api/auth/logout-all"), COMMAND, (2.0, 6.0)).by(By::Newcomer),
    row("DELETE /api/auth/me", "", 200, |p| p.api.call(Method::DELETE, "/api/auth/me"), COMMAND, (2.0, 20.0)).by(By::Newcomer),
    row("POST /api/telemetry/events", "", 202, telemetry, &[("GetItem", 1), ("kinesis:PutRecord", 1)], (1.0, 0.0)),
    // Half a unit for each empty partition, and then nothing for five seconds.
    row("GET /api/metrics/global", "", 200, |p| get(p, "/api/metrics/global"), &[("Query", 8)], (4.0, 0.0)),
    // Without a domain; with one it is another function.
    row("GET /api/metrics/stream", "at once", 200, |p| get(p, "/api/metrics/stream"), NOTHING, (0.0, 0.0)),
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

fn telemetry(player: &Player) -> Call {
    let event = json!({ "ts": 1_795_222_923_456_i64, "name": "page.view" });
    player.api.post("/api/telemetry/events", &json!({ "events": [event] }))
}

fn rename(player: &Player, nickname: &str) -> Call {
    let body = json!({ "nickname": nickname }).to_string();
    player.api.call(Method::PUT, "/api/auth/profile").body(body)
}

fn issue_invite(admin: &Player) -> Call {
    let month = SignedDuration::from_hours(30 * 24);
    let expires_at = Clock::system().now().checked_add(month).unwrap_or(Timestamp::MAX);
    // The same when it is asked for again.
    let expires_at = expires_at.strftime("%Y-%m-%dT00:00:00Z").to_string();
    let body =
        json!({ "code": "budgets", "uses": 1, "expires_at": expires_at, "reason": "budgets" });
    admin.api.post("/api/admin/invite-codes", &body).key("invite")
}

/// Of nobody's interest, so that nothing is delivered.
fn register_webhook(admin: &Player) -> Call {
    let body = json!({ "url": "http://127.0.0.1:9/", "event_types": ["budgets.none"],
                       "reason": "budgets" });
    admin.api.post("/api/admin/webhooks/endpoints", &body).key("webhook")
}

/// A call about an endpoint or a delivery that nobody knows.
fn webhook(admin: &Player, method: Method, path: &str) -> Call {
    let path = path.replace("{}", &admin.id);
    let call = admin.api.call(method, &format!("/api/admin/webhooks/{path}")).key(&path);
    call.body(json!({ "reason": "budgets" }).to_string())
}

fn with_code(code: &str) -> Value {
    let mut body = signup_body("budget4", "budget4");
    body["invite_code"] = json!(code);
    body
}

fn put_fraud_rules(admin: &Player) -> Call {
    let body = json!({
        "document": { "format": 1, "thresholds": {}, "rules": [] },
        "expected_version": 0, "reason": "budgets",
    });
    let call = admin.api.call(Method::PUT, "/api/admin/fraud/rules");
    call.key("fraud-rules").body(body.to_string())
}

fn test_fraud_rules(admin: &Player) -> Call {
    admin.api.post("/api/admin/fraud/rules/test", &json!({ "recent": 100 }))
}

/// Of a seed account.
fn reset(admin: &Player) -> Call {
    admin.api.call(Method::POST, "/api/dev/reset/user001").key("reset")
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
    // One put for each player of a batch: how far the journal is published.
    part("OutboxFunction", 1, &[("dynamodb:PutItem", 1), ("kinesis:PutRecords", 1), ("sqs:SendMessageBatch", 1)], (0.0, 1.0)),
    // Two views: the statistics, and what the player did of late.
    part("ProjectionsFunction", 1, &[("dynamodb:GetItem", 1), ("dynamodb:PutItem", 2), ("dynamodb:Query", 1), ("sqs:SendMessageBatch", 1)], (2.0, 2.0)),
    // Nobody is told: there is no endpoint.
    part("WebhookFanoutFunction", 1, &[("dynamodb:BatchGetItem", 1)], (1.0, 0.0)),
    // Two messages: the entry's frames, and the statistics.
    part("PushFunction", 2, &[("dynamodb:Query", 2), ("execute-api:PostToConnection", 3)], (2.0, 0.0)),
];

/// A socket that is opened with a ticket, greeted, and closed again.
#[rustfmt::skip]
pub const A_SOCKET: &[Part] = &[
    part("SocketConnectFunction", 1, &[("dynamodb:GetItem", 1), ("dynamodb:PutItem", 3), ("dynamodb:UpdateItem", 1), ("sqs:SendMessageBatch", 1)], (1.0, 4.0)),
    part("PushFunction", 1, &[("dynamodb:GetItem", 1), ("dynamodb:Query", 1), ("dynamodb:UpdateItem", 1), ("execute-api:PostToConnection", 2)], (2.0, 1.0)),
    part("SocketDisconnectFunction", 1, &[("dynamodb:BatchGetItem", 1), ("dynamodb:DeleteItem", 2)], (1.0, 2.0)),
];

/// A ping, answered.
#[rustfmt::skip]
pub const A_PING: &[Part] = &[
    part("SocketMessageFunction", 1, &[("dynamodb:BatchGetItem", 2), ("dynamodb:PutItem", 1), ("execute-api:PostToConnection", 1)], (2.0, 1.0)),
];

/// The metrics, watched until their first event.
#[rustfmt::skip]
pub const A_STREAM: &[Part] = &[
    part("MetricsStreamFunction", 1, &[("dynamodb:Query", 8)], (4.0, 0.0)),
];

/// A notice, mailed to a player who has an address. Who has none costs the query.
#[rustfmt::skip]
pub const A_MAIL: &[Part] = &[
    part("MailSendFunction", 1, &[("dynamodb:PutItem", 2), ("dynamodb:Query", 1), ("ses:SendEmail", 1)], (1.0, 2.0)),
];
