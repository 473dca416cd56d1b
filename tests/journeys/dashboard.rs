//! The dashboard.

use reqwest::Method;
use serde_json::json;
use tests::{Answer, Player, Target};

async fn dashboard(player: &Player, has: &str) -> Answer {
    let call = player.api.call(Method::GET, "/api/dashboard");
    if has.is_empty() { call.send().await } else { call.header("if-none-match", has).send().await }
}

#[tokio::test]
async fn the_dashboard_holds_the_whole_screen() {
    let target = Target::start().await;
    let player = target.player().await;
    let screen = dashboard(&player, "").await.ok();
    assert_eq!(screen["profile"], player.me().await);
    assert_eq!(screen["balances"], player.api.get("/api/users/balance").await.ok());
    assert_eq!(screen["streak"], player.api.get("/api/streak/status").await.ok());
    assert_eq!(screen["vip"]["claimed_today"], false);
    for list in ["events", "missions", "recent_sessions"] {
        assert_eq!(screen[list], json!([]), "{list}");
    }
    assert_eq!(screen["pending_rewards_count"], 0);
    let catalog = player.api.get("/api/shop/catalog").await.ok();
    assert_eq!(screen["shop_highlights"][0], catalog["items"][0]);
}

#[tokio::test]
async fn an_unchanged_dashboard_is_304_and_a_spin_changes_it_at_once() {
    let target = Target::start().await;
    let player = target.player().await;
    let first = dashboard(&player, "").await;
    let mut etag = first.header("etag").to_owned();
    assert!(!etag.is_empty());
    assert_eq!(first.header("cache-control"), "private, no-cache");
    for number in 0..3 {
        let unchanged = dashboard(&player, &etag).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
        assert_eq!(unchanged.header("etag"), etag);

        // A purchase always changes the balance; a round may win just its bet.
        let gold = if number == 0 {
            player.buy("neon_frame", 1, "buy").send().await.ok()["gold_balance"].clone()
        } else {
            player.spin(10, &format!("spin-{number}")).send().await.ok()["gold_balance"].clone()
        };
        let changed = dashboard(&player, "").await;
        assert_eq!(changed.ok()["balances"]["gold_balance"], gold, "never older than the write");
        if number == 0 {
            assert_eq!(dashboard(&player, &etag).await.status, 200);
            assert_ne!(changed.header("etag"), etag);
        }
        changed.header("etag").clone_into(&mut etag);
    }
}
