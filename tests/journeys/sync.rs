//! What a client that was away is told.

use serde_json::{Value, json};
use tests::{Player, Socket, Target};

/// The longest gap that is replayed frame by frame.
const LONGEST_GAP: u64 = 60;

async fn open(player: &Player) -> (Socket, u64) {
    let mut socket = player.socket().await;
    let seq = socket.until("initial_state").await["seq"].as_u64().expect("a seq");
    (socket, seq)
}

/// What a `sync` is answered with. Its last frame says that it is the last; only
/// then is the socket asked again, since messages are handled side by side.
async fn synced(socket: &mut Socket, last_seq: u64) -> Vec<Value> {
    let seen = socket.frames.len();
    socket.send(&json!({ "action": "sync", "last_seq": last_seq })).await;
    let last = ["stats_update", "initial_state"];
    socket.until_frame(|frame| last.iter().any(|name| frame["type"] == *name)).await;
    socket.send(&json!({ "action": "ping" })).await;
    socket.until("pong").await;
    socket.frames[seen..socket.frames.len() - 1].to_vec()
}

/// Frames of entries, without the statistics that follow at their own pace.
fn of_entries(frames: &[Value]) -> Vec<Value> {
    let shown = ["sync_connected", "initial_state", "stats_update", "pong"];
    let hidden = |frame: &&Value| shown.iter().all(|name| frame["type"] != *name);
    frames.iter().filter(hidden).cloned().collect()
}

#[tokio::test]
async fn missed_frames_come_in_order_and_nothing_else() {
    let target = Target::start().await;
    let player = target.player().await;
    let (mut stayed, start) = open(&player).await;
    let (away, _) = open(&player).await;
    player.claim().await.ok();
    away.close().await;
    player.spin(10, "spin").send().await.ok();
    player.buy("neon_frame", 1, "buy").send().await.ok();

    let live = {
        let done = |f: &Value| f["type"] == "stats_update" && f["seq"] == start + 3;
        stayed.until_frame(done).await;
        of_entries(&stayed.frames)
    };
    let (mut back, now) = open(&player).await;
    assert_eq!(now, start + 3);
    // Live, profiles of a burst may have been told as one.
    let missed = of_entries(&synced(&mut back, start).await);
    let types: Vec<_> = missed.iter().filter_map(|frame| frame["type"].as_str()).collect();
    let expected = [
        "profile_update",
        "reward_granted",
        "streak_update",
        "profile_update",
        "game_update",
        "profile_update",
        "purchase_update",
    ];
    assert_eq!(types, expected);
    assert!(live.iter().all(|frame| missed.contains(frame)));
    let told = |frame: &&Value| live.contains(frame) || frame["type"] == "profile_update";
    assert!(missed.iter().all(|frame| told(&frame)));
    let all = missed;
    for missed in 0..=3 {
        let last_seq = now - missed;
        let answer = synced(&mut back, last_seq).await;
        let expected: Vec<_> =
            all.iter().filter(|frame| frame["seq"].as_u64() > Some(last_seq)).cloned().collect();
        assert_eq!(answer.last().map(|frame| &frame["type"]), Some(&json!("stats_update")));
        assert_eq!(answer[..answer.len() - 1], expected, "after {last_seq}");
    }
    let stats = synced(&mut back, now).await;
    assert_eq!(stats[0]["data"]["stats"]["total_games_played"], 1);
}

#[tokio::test]
async fn a_gap_too_long_to_replay_is_a_fresh_state() {
    let target = Target::start().await;
    let player = target.player().await;
    let (mut socket, start) = open(&player).await;
    let ahead = synced(&mut socket, start + 1).await;
    assert_eq!(ahead.len(), 1);
    assert_eq!(ahead[0]["type"], "initial_state", "a number that is yet to come");

    for number in 0..=LONGEST_GAP {
        player.spin(1, &format!("{number}")).send().await.ok();
    }
    let last = start + LONGEST_GAP + 1;
    socket.until_frame(|f| f["type"] == "stats_update" && f["seq"] == last).await;
    let answer = synced(&mut socket, start).await;
    assert_eq!(answer.len(), 1);
    assert_eq!((&answer[0]["type"], &answer[0]["seq"]), (&json!("initial_state"), &json!(last)));
    assert_eq!(answer[0]["data"]["profile"], player.me().await);
    let answer = of_entries(&synced(&mut socket, start + 1).await);
    let rounds = answer.iter().filter(|frame| frame["type"] == "game_update").count();
    assert_eq!(rounds as u64, LONGEST_GAP);
    assert!(answer.is_sorted_by_key(|frame| frame["seq"].as_u64()));
}
