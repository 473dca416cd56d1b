//! A socket lives no longer than the session it was opened in.

use reqwest::Method;
use serde_json::json;
use tests::{PASSWORD, Player, Socket, Target};

async fn opened(player: &Player) -> Socket {
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    socket
}

/// A frame of a change made now comes.
async fn hears(player: &Player, socket: &mut Socket, key: &str) {
    player.spin(1, key).send().await.ok();
    socket.until("game_update").await;
}

#[tokio::test]
async fn a_logout_closes_the_sockets_of_its_session_and_no_other() {
    let target = Target::start().await;
    let player = target.player().await;
    let other = player.log_in().await;
    let (mut first, mut second) = (opened(&player).await, opened(&player).await);
    let mut elsewhere = opened(&other).await;

    player.log_out().send().await.ok();

    for socket in [&mut first, &mut second] {
        socket.until_end().await;
    }
    hears(&other, &mut elsewhere, "on").await;
}

#[tokio::test]
async fn a_logout_of_all_closes_every_socket_of_the_player_and_nobody_elses() {
    let target = Target::start().await;
    let (player, bystander) = (target.player().await, target.player().await);
    let other = player.log_in().await;
    let (mut first, mut second) = (opened(&player).await, opened(&other).await);
    let mut bystanding = opened(&bystander).await;

    other.api.call(Method::POST, "/api/auth/logout-all").send().await.ok();

    first.until_end().await;
    second.until_end().await;
    hears(&bystander, &mut bystanding, "on").await;
    let again = player.log_in().await;
    hears(&again, &mut opened(&again).await, "anew").await;
}

#[tokio::test]
async fn a_new_password_closes_the_sockets_of_the_other_sessions() {
    let target = Target::start().await;
    let player = target.player().await;
    let other = player.log_in().await;
    let (mut own, mut elsewhere) = (opened(&player).await, opened(&other).await);

    player.change_password(PASSWORD, "another-horse-10").send().await.ok();

    elsewhere.until_end().await;
    hears(&player, &mut own, "on").await;
}

#[tokio::test]
async fn who_is_forgotten_has_no_socket() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut socket = opened(&player).await;
    player.api.call(Method::DELETE, "/api/auth/me").send().await.ok();
    socket.until_end().await;
}

#[tokio::test]
async fn the_session_that_a_ninth_pushes_out_takes_its_socket_with_it() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut socket = opened(&player).await;
    for _ in 0..7 {
        player.log_in().await;
    }
    let mut ninth = opened(&player.log_in().await).await;
    socket.until_end().await;
    ninth.send(&json!({ "action": "ping" })).await;
    ninth.until("pong").await;
}
