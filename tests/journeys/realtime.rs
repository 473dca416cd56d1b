//! Who gets onto the socket, and who is told what.

use devstack::{
    Options,
    engine::{Call, Fault, Verdict},
};
use domain::PlayerId;
use reqwest::Method;
use serde_json::json;
use tests::{Api, Hands, Player, Socket, Target, eventually, stack, stack_with};

/// Reads the greeting.
async fn greeted(mut socket: Socket) -> Socket {
    assert_eq!(socket.next().await["type"], "sync_connected");
    assert_eq!(socket.next().await["type"], "initial_state");
    socket
}

/// Everything that was sent before the answer to a ping.
async fn up_to_pong(socket: &mut Socket) {
    socket.send(&json!({ "action": "ping" })).await;
    let pong = socket.until("pong").await;
    assert_eq!(pong["data"], json!({}));
}

#[tokio::test]
async fn a_ticket_opens_one_socket() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.api.call(Method::POST, "/api/realtime/ticket").send().await.ok();
    assert_eq!(answer["expires_in"], 30);
    let (url, ticket) = player.ticket().await;
    greeted(Socket::open(&url, &ticket).await).await;
    assert_eq!(Socket::refused(&format!("{url}?ticket={ticket}")).await, Some(401));
}

#[tokio::test]
async fn a_ticket_is_good_for_thirty_seconds() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let (url, kept) = player.ticket().await;
    let (_, used) = player.ticket().await;
    hands.set("2026-12-01T09:00:29Z");
    greeted(Socket::open(&url, &used).await).await;
    hands.set("2026-12-01T09:00:30Z");
    assert_eq!(Socket::refused(&format!("{url}?ticket={kept}")).await, Some(401));
}

#[tokio::test]
async fn nobody_gets_in_without_a_ticket_or_token() {
    let target = Target::start().await;
    let (url, _) = target.player().await.ticket().await;
    for query in ["", "?ticket=", "?ticket=garbage", "?token=x", "?ticket=%00"] {
        assert_eq!(Socket::refused(&format!("{url}{query}")).await, Some(401), "{query}");
    }
}

#[tokio::test]
async fn an_access_token_opens_the_socket_as_well() {
    let target = Target::start().await;
    let player = target.player().await;
    let (url, _) = player.ticket().await;
    let token = player.api.token().expect("a token");
    let mut socket = greeted(Socket::open_with_token(&url, token).await).await;
    let gold = player.claim().await.ok()["new_balance"].clone();
    let update = socket.until("profile_update").await;
    assert_eq!(update["data"]["changes"]["gold_balance"], gold);
}

#[tokio::test]
async fn what_a_socket_does_not_understand_it_says() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut socket = greeted(player.socket().await).await;
    for message in [
        json!({ "action": "dance" }),
        json!({ "action": "sync" }),
        json!({ "action": "sync", "last_seq": -1 }),
        json!({ "action": "ping", "extra": 1 }),
        json!("ping"),
        json!([]),
    ] {
        socket.send(&message).await;
        let frame = socket.next().await;
        assert_eq!((&frame["type"], &frame["user_id"]), (&json!("error"), &json!(player.id)));
        assert_eq!(frame["data"]["code"], "validation_failed", "{message}");
        assert!(frame["data"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    up_to_pong(&mut socket).await;
}

#[tokio::test]
async fn what_clients_of_the_old_games_socket_say_is_refused_or_taken_as_the_switch_is() {
    let old = [json!({ "type": "ping" }), json!({ "type": "sync", "last_seq": 1 })];
    let target = Target::start().await;
    let player = target.player().await;
    let mut socket = greeted(player.socket().await).await;
    for message in &old {
        socket.send(message).await;
        let frame = socket.next().await;
        assert_eq!(frame["data"]["code"], "games_socket_retired", "{message}");
    }
    up_to_pong(&mut socket).await;

    let parameters = [("EnableLegacyGamesWs".to_owned(), "true".to_owned())].into();
    let stack = stack_with(Options { parameters, ..Options::default() }).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut socket = greeted(player.socket().await).await;
    for (message, answer) in old.iter().zip(["pong", "stats_update"]) {
        socket.send(message).await;
        assert_eq!(socket.next().await["type"], answer);
    }
    socket.send(&json!({ "type": "spin", "bet": 10 })).await;
    assert_eq!(socket.next().await["data"]["code"], "validation_failed");
    up_to_pong(&mut socket).await;
}

#[tokio::test]
async fn every_socket_of_a_player_is_told_and_nobody_elses() {
    let target = Target::start().await;
    let (player, other) = (target.player().await, target.player().await);
    let mut first = greeted(player.socket().await).await;
    let mut second = greeted(player.socket().await).await;
    let mut theirs = greeted(other.socket().await).await;

    player.spin(10, "spin").send().await.ok();
    other.claim().await.ok();
    for socket in [&mut first, &mut second] {
        socket.until("stats_update").await;
        up_to_pong(socket).await;
        let types: Vec<_> = socket.frames[2..].iter().map(|f| f["type"].clone()).collect();
        assert_eq!(types, ["profile_update", "game_update", "stats_update", "pong"]);
        assert!(socket.frames.iter().all(|frame| frame["user_id"] == player.id.as_str()));
    }
    theirs.until("stats_update").await;
    up_to_pong(&mut theirs).await;
    assert!(theirs.frames.iter().all(|frame| frame["user_id"] == other.id.as_str()));
    assert!(theirs.frames.iter().all(|frame| frame["type"] != "game_update"));
}

/// `$disconnect` never gets through, as when a machine of AWS's dies.
#[derive(Debug)]
struct NoGoodBye;

impl Fault for NoGoodBye {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.caller == "SocketDisconnectFunction" { Verdict::Disconnect } else { Verdict::Pass }
    }
}

#[tokio::test]
async fn a_closed_socket_is_forgotten_and_only_that_one() {
    for heard in [true, false] {
        let stack = stack().await;
        if !heard {
            stack.engine().set_fault(Some(std::sync::Arc::new(NoGoodBye)));
        }
        let player = Player::sign_up(&Api::new(&stack.base_url)).await;
        let id: PlayerId = player.id.parse().expect("an id");
        let store = stack.store("test");
        let connections = || async { store.connections(id).await.expect("connections").len() };
        let gone = greeted(player.socket().await).await;
        let mut stays = greeted(player.socket().await).await;
        assert_eq!(connections().await, 2);
        gone.close().await;
        if heard {
            eventually("the socket is forgotten", || async { connections().await == 1 }).await;
        }
        // A frame finds out about a socket that left without a word.
        eventually("one socket is left", || async {
            player.spin(1, &tests::fresh_name()).send().await.ok();
            stack.settled(tests::DEADLINE).await.expect("triggers catch up");
            connections().await == 1
        })
        .await;
        stays.until("game_update").await;
        up_to_pong(&mut stays).await;
    }
}
