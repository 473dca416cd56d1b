//! One ticket, and one player's many sockets.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use devstack::engine::{Call, Fault, Verdict};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::{Api, DEADLINE, Player, Socket, stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_of_twenty_sockets() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let ticket = player.api.call(Method::POST, "/api/realtime/ticket").send().await.ok();
    let (url, ticket) = (ticket["url"].as_str(), ticket["ticket"].as_str());
    let (url, ticket) = url.zip(ticket).expect("url and ticket");
    let url = format!("{url}?ticket={ticket}");

    let refusals = join_all((0..20).map(|_| Socket::refused(&url))).await;

    assert_eq!(refusals.iter().filter(|refusal| refusal.is_none()).count(), 1, "{refusals:?}");
    assert_eq!(refusals.iter().filter(|status| **status == Some(401)).count(), 19, "{refusals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_socket_of_a_player_sees_every_change_in_order() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut sockets = join_all((0..5).map(|_| player.socket())).await;
    for socket in &mut sockets {
        socket.until("initial_state").await;
    }

    crate::support::at_once(10, |number| player.spin(1, &format!("spin-{number}"))).await;
    for number in 0..10 {
        crate::support::insist(|| player.spin(1, &format!("spin-{number}"))).await;
    }

    for socket in &mut sockets {
        socket.until_frame(|frame| frame["type"] == "game_update" && frame["seq"] == 11).await;
        let rounds = socket.frames.iter().filter(|frame| frame["type"] == "game_update");
        let seqs: Vec<_> = rounds.filter_map(|frame| frame["seq"].as_u64()).collect();
        assert_eq!(seqs, (2..=11).collect::<Vec<_>>());
    }
}

/// `@connections` that takes its time for the first frame.
#[derive(Debug, Default)]
struct SlowToGreet(AtomicBool);

impl Fault for SlowToGreet {
    fn before(&self, call: &Call<'_>) -> Verdict {
        let first = call.operation == "PostToConnection" && !self.0.swap(true, Ordering::Relaxed);
        if first { Verdict::Delay(Duration::from_secs(1)) } else { Verdict::Pass }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_at_once_is_greeted_first() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    stack.engine().set_fault(Some(Arc::new(SlowToGreet::default())));
    let mut socket = player.socket().await;
    socket.send(&json!({ "action": "sync", "last_seq": 0 })).await;
    socket.send(&json!({ "action": "ping" })).await;
    socket.send(&json!({ "action": "dance" })).await;
    let mut awaited = ["stats_update", "pong", "error"].to_vec();
    while !awaited.is_empty() {
        let frame = socket.next().await;
        awaited.retain(|name| frame["type"] != *name);
    }
    let types: Vec<_> = socket.frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
    assert_eq!(types[..2], ["sync_connected", "initial_state"], "{types:?}");
}

/// `@connections` that takes its time for one socket, and notes who is posted to.
#[derive(Debug)]
struct Slow {
    connection: String,
    posts: Mutex<Vec<String>>,
}

impl Fault for Slow {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.operation != "PostToConnection" {
            return Verdict::Pass;
        }
        self.posts.lock().expect("no panic").push(call.connection.to_owned());
        let slow = call.connection == self.connection;
        if slow { Verdict::Delay(Duration::from_secs(2)) } else { Verdict::Pass }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_sockets_are_slow_delays_nobody_of_the_same_batch() {
    let stack = stack().await;
    let (mut connections, mut records) = (Vec::new(), Vec::new());
    let mut sockets = Vec::new();
    for name in ["slow", "quick"] {
        let player = Player::sign_up(&Api::new(&stack.base_url)).await;
        let mut socket = player.socket().await;
        let greeting = socket.until("sync_connected").await;
        socket.until("initial_state").await;
        let frame = |seq: u64| {
            json!({ "type": "user_action", "user_id": player.id, "seq": seq, "data": {},
                    "timestamp": "2026-12-01T09:00:00Z" })
        };
        let body = json!({ "player": player.id, "frames": [frame(100), frame(101)] });
        connections.push(greeting["data"]["connection_id"].as_str().expect("an id").to_owned());
        records.push(json!({
            "messageId": name, "body": body.to_string(),
            "attributes": { "MessageGroupId": player.id, "ApproximateReceiveCount": "1" },
        }));
        sockets.push((player, socket));
    }
    stack.settled(DEADLINE).await.expect("settles");
    let [slow, quick] = &connections[..] else { panic!("two sockets") };
    let fault = Arc::new(Slow { connection: slow.clone(), posts: Mutex::default() });
    stack.engine().set_fault(Some(fault.clone()));

    let answer = stack.invoke("PushFunction", json!({ "Records": records })).await;

    assert_eq!(answer.expect("is delivered"), json!({ "batchItemFailures": [] }));
    let posts = fault.posts.lock().expect("no panic").clone();
    let last = |of: &String| posts.iter().rposition(|post| post == of).expect("was posted to");
    assert_eq!(posts.len(), 4, "{posts:?}");
    assert!(last(quick) < last(slow), "{posts:?}");
    for (player, socket) in &mut sockets {
        for seq in [100, 101] {
            let frame = socket.next().await;
            assert_eq!([&frame["seq"], &frame["user_id"]], [&json!(seq), &json!(player.id)]);
        }
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_goes_out_reduced_and_closes_nothing() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    stack.settled(DEADLINE).await.expect("settles");
    let frame = |seq: u64, length: usize| {
        json!({ "type": "user_action", "user_id": player.id, "seq": seq, "trace_id": "t-1",
                "data": { "text": "x".repeat(length) }, "timestamp": "2026-12-01T09:00:00Z" })
    };
    let frames = [frame(100, 33 * 1024), frame(101, 0)];
    let body = json!({ "player": player.id, "frames": frames });
    let record = json!({
        "messageId": "long", "body": body.to_string(),
        "attributes": { "MessageGroupId": player.id, "ApproximateReceiveCount": "1" },
    });

    let answer = stack.invoke("PushFunction", json!({ "Records": [record] })).await;

    assert_eq!(answer.expect("is delivered"), json!({ "batchItemFailures": [] }));
    let reduced = socket.next().await;
    assert_eq!([&reduced["type"], &reduced["seq"]], [&json!("reduced"), &json!(100)]);
    assert_eq!([&reduced["data"]["of"], &reduced["trace_id"]], ["user_action", "t-1"]);
    assert!(reduced["data"]["bytes"].as_u64() > Some(33 * 1024));
    assert_eq!(socket.next().await["seq"], 101);
}
