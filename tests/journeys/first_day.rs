//! From the invite code to the first purchase, on one socket.

use serde_json::{Value, json};
use tests::Target;

#[tokio::test]
async fn a_player_signs_up_plays_buys_and_sees_it_all_live() {
    let target = Target::start().await;
    let player = target.player().await;

    let mut socket = player.socket().await;
    assert_eq!(socket.next().await["type"], "sync_connected");
    let state = socket.next().await;
    assert_eq!(state["type"], "initial_state");
    assert_eq!(state["data"]["profile"]["gold_balance"], 1000);
    let start = state["seq"].as_u64().expect("a seq");

    let claim = player.claim().await.ok();
    assert_eq!(claim["awarded"], json!({ "gold": 1123, "xp": 55 }));
    let mut balance = 2123;
    let trace = |number: u64| format!("{number:032x}");
    for number in 1..=3 {
        let spin = player.spin(10, &format!("spin-{number}"));
        let spin = spin.header("traceparent", &format!("00-{}-00f067aa0ba902b7-01", trace(number)));
        let round = spin.send().await.ok();
        balance += round["win_gold"].as_i64().expect("gold") - 10;
        assert_eq!(round["gold_balance"], balance);
    }
    let bought = player.buy("neon_frame", 1, "buy-1").send().await.ok();
    assert_eq!(
        (&bought["status"], &bought["gold_balance"]),
        (&json!("success"), &json!(balance - 300))
    );

    let last = start + 5;
    socket.until_frame(|frame| frame["type"] == "stats_update" && frame["seq"] == last).await;
    // Profiles of a burst may be told as one.
    let seen = |seq: u64| -> Vec<&str> {
        let of = socket.frames.iter().filter(|frame| frame["seq"] == seq);
        let types = of.filter_map(|frame| frame["type"].as_str());
        types.filter(|kind| !["stats_update", "profile_update"].contains(kind)).collect()
    };
    assert_eq!(seen(start + 1), ["reward_granted", "streak_update"]);
    for round in 2..=4 {
        assert_eq!(seen(start + round), ["game_update"]);
    }
    assert_eq!(seen(last), ["purchase_update"]);
    let profile = socket.frames.iter().rfind(|frame| frame["type"] == "profile_update");
    let profile = profile.expect("a profile");
    let gold = &profile["data"]["changes"]["gold_balance"];
    assert_eq!((&profile["seq"], gold), (&json!(last), &json!(balance - 300)));
    assert!(socket.frames.iter().all(|frame: &Value| frame["user_id"] == player.id.as_str()));

    // Whoever sees something happen can ask for the log of the request behind it.
    let of_entry = |frame: &&Value| {
        let shown = ["sync_connected", "initial_state", "stats_update"];
        shown.iter().all(|name| frame["type"] != *name)
    };
    assert!(socket.frames.iter().filter(of_entry).all(|frame| frame["trace_id"].is_string()));
    let rounds = socket.frames.iter().filter(|frame| frame["type"] == "game_update");
    let traces: Vec<_> = rounds.filter_map(|frame| frame["trace_id"].as_str()).collect();
    assert_eq!(traces, [trace(1), trace(2), trace(3)]);

    let stats = player.api.get("/api/users/stats").await.ok();
    assert_eq!(stats["total_games_played"], 3);
}
