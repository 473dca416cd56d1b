//! What every route costs at the table: round trips and capacity units, exactly.
//!
//! `cargo xtask budgets` prints the list. A route of the template that is not in it
//! fails the test.

use std::collections::{BTreeMap, BTreeSet};

use devstack::engine::{Snapshot, Units, Usage};
use reqwest::Method;
use runtime::Clock;
use serde_json::json;
use tests::{
    Api, DEADLINE, Mailbox, PASSWORD, Player, Purchase, Till,
    budgets::{
        A_MAIL, A_PING, A_SOCKET, A_STREAM, BEHIND_AN_ENTRY, Measured, Part, ROWS, measure, name_of,
    },
    eventually, stack, stack_with, without_domain,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_route_costs_exactly_what_it_may() {
    let mut wrong = Vec::new();
    println!("{}", Measured::heading());
    for measured in measure(&stack_with(without_domain()).await).await {
        println!("{measured}");
        let Measured { row, answer, used } = &measured;
        assert_eq!(answer.status, row.status, "{} {}: {}", row.route, row.note, answer.text);
        if !measured.is_as_budgeted() {
            wrong.push(format!("{} {}: {used:?} is not {:?}", row.route, row.note, row.usage()));
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

/// Holds each function against its part; `again` may be called more often.
fn compare(what: &str, parts: &[Part], used: &Snapshot, again: Option<&str>) {
    for part in parts {
        let calls = part.calls.iter().map(|(action, count)| ((*action).to_owned(), *count));
        let units = Units { read: part.read, write: part.write };
        let expected = Usage { calls: calls.collect(), units };
        let mut used = used.of(part.function);
        println!("{what}: {} {used:?}", part.function);
        if let Some(count) = again.and_then(|action| used.calls.get_mut(action)) {
            *count = expected.count(again.unwrap_or_default()).min(*count);
        }
        assert_eq!(used, expected, "{what}: {}", part.function);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_and_what_it_hears_cost_exactly_what_they_may() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    stack.settled(DEADLINE).await.expect("settles");
    let meter = stack.engine().meter();
    let started = meter.snapshot();
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    stack.settled(DEADLINE).await.expect("settles");
    let opened = meter.since(&started);

    let before = meter.snapshot();
    player.spin(1, "spin").send().await.ok();
    socket.until("stats_update").await;
    stack.settled(DEADLINE).await.expect("settles");
    compare("behind an entry", BEHIND_AN_ENTRY, &meter.since(&before), None);

    let before = meter.snapshot();
    socket.send(&json!({ "action": "ping" })).await;
    socket.until("pong").await;
    compare("a ping", A_PING, &meter.since(&before), None);

    socket.close().await;
    // The second deletion's units are the last that are counted.
    let written = || meter.snapshot().of("SocketDisconnectFunction").units.write;
    let (open, close) = A_SOCKET.split_at(A_SOCKET.len() - 1);
    eventually("the socket is forgotten", || async { written() >= close[0].write }).await;
    // The greeting is posted again for as long as the socket is not quite open.
    compare("a socket, opened", open, &opened, Some("execute-api:PostToConnection"));
    compare("a socket, closed", close, &meter.since(&started), None);
}

/// Under a domain; what is counted after it is counted every five seconds at most.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_metrics_begins_with_one_count() {
    let stack = stack().await;
    let before = stack.engine().meter().snapshot();
    let mut stream =
        Api::new(&stack.base_url).call(Method::GET, "/api/metrics/stream").open().await;
    stream.next().await.expect("no break").expect("an event");
    compare("a stream", A_STREAM, &stack.engine().meter().since(&before), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_costs_exactly_what_it_may() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    Mailbox::of(&stack).confirm(&player, "budgets@mail.example").await;
    stack.settled(DEADLINE).await.expect("settles");
    let before = stack.engine().meter().snapshot();
    player.change_password(PASSWORD, "another-horse-9").send().await.ok();
    player.spin(1, "spin").send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    compare("a mail", A_MAIL, &stack.engine().meter().since(&before), None);
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
            player.spin(1, &key).header("x-amzn-trace-id", &format!("Root={}", "f".repeat(64)));
        call.send().await.ok();
        let used = stack.engine().meter().since(&before).of("SlotSpinFunction");
        *costs.entry(format!("{:.1}", used.units.write)).or_default() += 1;
    }
    assert_eq!(costs, BTreeMap::from([("6.0".to_owned(), 60)]));
}

/// What a purchase with money costs before it is made: one read, the windows all at
/// once, the lists at once, the decision. Of somebody who buys for the first time.
#[tokio::test(flavor = "multi_thread")]
async fn an_assessment_costs_exactly_what_it_may() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let till = Till::new(&stack, "till", Clock::system());
    let purchase = |key: &str| Purchase {
        device: Some("phone".to_owned()),
        ..Purchase::of(&player, key).at("203.0.113.7")
    };
    let allowed = Usage {
        calls: [("BatchGetItem", 1), ("PutItem", 6)]
            .map(|(action, count)| (format!("dynamodb:{action}"), count))
            .into(),
        units: Units { read: 5.0, write: 6.0 },
    };
    let known = Usage {
        calls: [("dynamodb:BatchGetItem".to_owned(), 1)].into(),
        units: Units { read: 5.0, write: 0.0 },
    };
    // Flagged: its command instead of its last write.
    let flagged = Usage {
        calls: [("BatchGetItem", 2), ("PutItem", 5), ("TransactWriteItems", 1)]
            .map(|(action, count)| (format!("dynamodb:{action}"), count))
            .into(),
        units: Units { read: 7.0, write: 13.0 },
    };
    for (key, expected) in [
        ("1", &allowed),
        ("1", &known),
        ("2", &allowed),
        ("3", &allowed),
        ("4", &allowed),
        ("5", &flagged),
        ("5", &known),
    ] {
        let before = stack.engine().meter().snapshot();
        till.assess(&purchase(key)).await.expect("is decided");
        let used = stack.engine().meter().since(&before).of("till");
        assert_eq!(used, *expected, "{key}");
    }
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
