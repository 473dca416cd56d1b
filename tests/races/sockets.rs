//! One ticket, and one player's many sockets.

use futures::future::join_all;
use reqwest::Method;
use tests::{Api, Player, Socket, stack};

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
