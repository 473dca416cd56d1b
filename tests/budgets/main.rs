//! What every route costs at the table: round trips and capacity units, exactly.
//!
//! `cargo test -p tests --test budgets -- --nocapture` prints the list. A route
//! of the template that is not in it fails the test.

use std::collections::{BTreeMap, BTreeSet};

use devstack::{Stack, engine::Usage};
use reqwest::Method;
use serde_json::json;
use tests::{Answer, Api, Call, DEADLINE, PASSWORD, Player, signup_body, stack};

const UUID_KEY: &str = "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a";
/// 128 characters, the longest key there may be.
const LONGEST_KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
                           kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

/// A call and what it may cost.
struct Row {
    /// As the template has it.
    route: &'static str,
    /// What is special about this call.
    note: &'static str,
    call: fn(&Player) -> Call,
    status: u16,
    /// Actions of DynamoDB and how often.
    calls: &'static [(&'static str, u64)],
    read: f64,
    write: f64,
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
const ROWS: &[Row] = &[
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

impl Row {
    fn expected(&self) -> Usage {
        let action = |(name, count): &(&str, u64)| (format!("dynamodb:{name}"), *count);
        Usage {
            calls: self.calls.iter().map(action).collect(),
            units: devstack::engine::Units { read: self.read, write: self.write },
        }
    }
}

/// Sends the call; what its function used, and nobody else on its behalf.
async fn measure(stack: &Stack, row: &Row, player: &Player) -> (Answer, Usage) {
    let routes = &stack.spec().http_routes;
    let named = |route: &&devstack::spec::HttpRoute| name_of(route) == row.route;
    let function = &routes.iter().find(named).expect("a route of the template").function;
    // Projections keep the tail short that a screen folds; here, empty.
    stack.settled(DEADLINE).await.expect("settles");
    let before = stack.engine().meter().snapshot();
    let answer = (row.call)(player).send().await;
    (answer, stack.engine().meter().since(&before).of(function))
}

fn name_of(route: &devstack::spec::HttpRoute) -> String {
    match route.path.as_str() {
        "$default" => "$default".to_owned(),
        path => format!("{} {path}", route.method),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_costs_exactly_what_it_may() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut wrong = Vec::new();
    println!("{:<34}{:<16}{:>6}{:>7}  calls", "route", "", "read", "write");
    for row in ROWS {
        let (answer, used) = measure(&stack, row, &player).await;
        assert_eq!(answer.status, row.status, "{} {}: {}", row.route, row.note, answer.text);
        let calls: Vec<_> =
            used.calls.iter().map(|(action, count)| format!("{count} {action}")).collect();
        println!(
            "{:<34}{:<16}{:>6.1}{:>7.1}  {}",
            row.route,
            row.note,
            used.units.read,
            used.units.write,
            calls.join(", ")
        );
        if used != row.expected() {
            wrong.push(format!("{} {}: {used:?} is not {:?}", row.route, row.note, row.expected()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_template_has_its_budget() {
    let stack = stack().await;
    let budgeted: BTreeSet<_> = ROWS.iter().map(|row| row.route.to_owned()).collect();
    let declared: BTreeSet<_> = stack.spec().http_routes.iter().map(name_of).collect();
    assert_eq!(budgeted, declared);
}

/// Six write units are three items of at most a kilobyte. An entry's size hangs on
/// key, trace, client seed, and on the symbols that come up.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_key_and_client_seed_cost_no_more_than_short_ones() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let rotate = json!({ "client_seed": "s".repeat(64) });
    player.api.post("/api/games/fairness/rotate", &rotate).key("rotate").send().await.ok();
    let mut costs: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..60 {
        let key = format!("{number:0>128}");
        let before = stack.engine().meter().snapshot();
        let call =
            player.spin(1, &key).header("traceparent", &format!("00-{}-1-1", "f".repeat(64)));
        call.send().await.ok();
        let used = stack.engine().meter().since(&before).of("SlotSpinFunction");
        *costs.entry(format!("{:.1}", used.units.write)).or_default() += 1;
    }
    assert_eq!(costs, BTreeMap::from([("6.0".to_owned(), 60)]));
}

/// However long the journal: what is folded in already is not read again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_screen_after_many_rounds_is_one_query() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for number in 0..40 {
        player.spin(1, &format!("spin-{number}")).send().await.ok();
    }
    for path in ["/api/users/stats", "/api/streak/history"] {
        stack.settled(DEADLINE).await.expect("settles");
        let before = stack.engine().meter().snapshot();
        player.api.get(path).await.ok();
        let used = stack.engine().meter().since(&before).total();
        println!("{path} after 40 rounds: {used:?}");
        assert_eq!(used.count("dynamodb:Query"), 1);
        assert!(used.units.read <= 10.0, "{used:?}");
    }
}
