//! The daily streak, on a clock that the test moves.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Hands, Player, Target, stack_with};

async fn status(player: &Player) -> Value {
    player.api.get("/api/streak/status").await.ok()
}

async fn history(player: &Player, query: &str) -> Value {
    player.api.get(&format!("/api/streak/history{query}")).await.ok()
}

/// Claims on each of these instants, with a token of that instant.
async fn claim_on(player: &Player, hands: &Hands, instants: &[&str]) -> Value {
    let mut last = Value::Null;
    for instant in instants {
        hands.set(instant);
        last = player.log_in().await.claim().await.ok();
    }
    last
}

#[tokio::test]
async fn a_day_is_claimed_once_whatever_the_key() {
    let target = Target::start().await;
    let player = target.player().await;
    assert_eq!(
        status(&player).await,
        json!({ "count": 0, "claimed_today": false, "protection": 0, "longest": 0,
                "next_reward": { "gold": 1123, "xp": 55 } })
    );
    let first = player.claim().await;
    let claimed = first.ok();
    assert_eq!(claimed["awarded"], json!({ "gold": 1123, "xp": 55 }));
    assert_eq!((&claimed["streak_count"], &claimed["new_balance"]), (&json!(1), &json!(2123)));
    for key in ["", "one", "two"] {
        let call = player.api.call(Method::POST, "/api/streak/claim");
        let again = if key.is_empty() { call } else { call.key(key) }.send().await;
        assert_eq!((again.is_replayed(), &again.text), (true, &first.text), "{key}");
    }
    assert_eq!(player.gold().await, 2123);
    assert_eq!(
        status(&player).await,
        json!({ "count": 1, "claimed_today": true, "protection": 0, "longest": 1,
                "next_reward": { "gold": 1227, "xp": 59 } })
    );
}

#[tokio::test]
async fn a_day_ends_at_midnight_utc() {
    let hands = Hands::at("2026-12-01T23:59:59.999Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let first = player.claim().await.ok();
    assert_eq!((&first["day"], &first["streak_count"]), (&json!("2026-12-01"), &json!(1)));
    hands.set("2026-12-02T00:00:00Z");
    assert_eq!(status(&player).await["claimed_today"], false);
    let second = player.claim().await.ok();
    assert_eq!((&second["day"], &second["streak_count"]), (&json!("2026-12-02"), &json!(2)));
    assert_eq!(second["awarded"], json!({ "gold": 1227, "xp": 59 }));
}

#[tokio::test]
async fn a_missed_day_ends_the_streak() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    claim_on(&player, &hands, &["2026-12-01T09:00:00Z", "2026-12-02T23:00:00Z"]).await;
    hands.set("2026-12-04T00:00:00Z");
    let player = player.log_in().await;
    let missed = status(&player).await;
    assert_eq!((&missed["count"], &missed["longest"]), (&json!(0), &json!(2)));
    assert_eq!(missed["next_reward"], json!({ "gold": 1123, "xp": 55 }));
    assert_eq!(player.claim().await.ok()["streak_count"], 1);
    assert_eq!(status(&player).await["longest"], 2);
}

#[tokio::test]
async fn a_shield_that_was_bought_covers_a_missed_day() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    player.claim().await.ok();
    player.buy("streak_shield", 2, "shields").send().await.ok();
    let claim = claim_on(&player, &hands, &["2026-12-03T09:00:00Z"]).await;
    assert_eq!((&claim["streak_count"], &claim["protection_used"]), (&json!(2), &json!(1)));
    let player = player.log_in().await;
    assert_eq!(status(&player).await["protection"], 1);
    let claim = claim_on(&player, &hands, &["2026-12-04T09:00:00Z"]).await;
    assert_eq!((&claim["streak_count"], &claim["protection_used"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn history_comes_page_by_page_newest_first() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let days = ["01", "02", "03", "04", "05"].map(|day| format!("2026-12-{day}T09:00:00Z"));
    claim_on(&player, &hands, &days.each_ref().map(String::as_str)).await;
    let player = player.log_in().await;
    player.spin(1, "spin").send().await.ok();

    let (mut items, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = history(&player, &query).await;
        let here = page["items"].as_array().expect("items").clone();
        assert!(here.len() <= 2);
        items.extend(here);
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(json!(items), history(&player, "").await["items"], "the pages are the list");
    let days: Vec<_> = items.iter().filter_map(|item| item["day"].as_str()).collect();
    assert_eq!(days, ["2026-12-05", "2026-12-04", "2026-12-03", "2026-12-02", "2026-12-01"]);
    assert_eq!(items[0]["awarded"], json!({ "gold": 1452, "xp": 69 }));
    assert!(items.iter().all(|item| item["action"] == "claim"));
}

#[tokio::test]
async fn a_cursor_of_ones_own_making_is_refused() {
    let target = Target::start().await;
    let player = target.player().await;
    player.claim().await.ok();
    let page = history(&player, "?limit=1").await;
    let cursor = page["next_cursor"].as_str().expect("entry 1 is behind").to_owned();
    let last = if cursor.ends_with('A') { "B" } else { "A" };
    let touched = format!("{}{last}", &cursor[..cursor.len() - 1]);
    let stranger = target.player().await;
    for (caller, cursor) in [(&player, touched), (&player, "x".into()), (&stranger, cursor)] {
        let answer = caller.api.get(&format!("/api/streak/history?cursor={cursor}")).await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/cursor");
        assert_eq!(problem["errors"][0]["code"], "invalid_cursor");
    }
    for limit in ["0", "101", "x"] {
        let answer = player.api.get(&format!("/api/streak/history?limit={limit}")).await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/limit");
    }
}
