//! The nightly repair: run once, twice or late, it comes out the same.

use std::sync::Arc;

use devstack::{
    Stack,
    engine::{Call, Fault, Verdict},
};
use serde_json::{Value, json};
use tests::{Api, DEADLINE, Hands, Player, Table, stack_with};

const FIRST_DAY: &str = "2026-12-01T09:00:00Z";

/// A stack with a player who claimed on the first day and owns shields.
async fn stack_with_player(hands: &Hands, shields: u32) -> (Stack, Player) {
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    player.claim().await.ok();
    if shields > 0 {
        player.buy("streak_shield", shields, "shields").send().await.ok();
    }
    (stack, player)
}

/// Others on the stack who claimed.
async fn others(stack: &Stack) -> Vec<Player> {
    let (api, mut others) = (Api::new(&stack.base_url), Vec::new());
    for _ in 0..3 {
        let other = Player::sign_up(&api).await;
        other.claim().await.ok();
        others.push(other);
    }
    stack.settled(DEADLINE).await.expect("settles");
    others
}

/// The table does not say how this player stands.
#[derive(Debug)]
struct Silent(String);

impl Fault for Silent {
    fn before(&self, call: &Call<'_>) -> Verdict {
        let asked = call.operation == "GetItem"
            && String::from_utf8_lossy(call.body).contains(self.0.as_str());
        if asked { Verdict::InternalError } else { Verdict::Pass }
    }
}

async fn repair_at(stack: &Stack, hands: &Hands, instant: &str) -> Value {
    hands.set(instant);
    stack.run_now("streak-repair").await.expect("the repair runs")
}

/// The streak, and its history without the times at which it was written.
async fn seen(player: &Player) -> (Value, Vec<Value>) {
    let player = player.log_in().await;
    let status = player.api.get("/api/streak/status").await.ok();
    let history = player.api.get("/api/streak/history").await.ok();
    let lines = history["items"].as_array().expect("items").iter();
    (status, lines.map(|line| json!([line["day"], line["action"]])).collect())
}

#[tokio::test]
async fn a_missed_day_ends_the_streak_once_however_often_it_runs() {
    let hands = Hands::at(FIRST_DAY);
    let (stack, player) = stack_with_player(&hands, 0).await;
    let nothing =
        json!({ "players": 1, "protections_consumed": 0, "streaks_broken": 0, "failed": 0 });
    assert_eq!(repair_at(&stack, &hands, "2026-12-02T00:05:00Z").await, nothing);
    let broken = repair_at(&stack, &hands, "2026-12-03T00:05:00Z").await;
    assert_eq!(broken["streaks_broken"], 1);
    let (status, history) = seen(&player).await;
    assert_eq!(status["count"], 0);
    assert_eq!(history, [json!(["2026-12-03", "broken"]), json!(["2026-12-01", "claim"])]);

    assert_eq!(repair_at(&stack, &hands, "2026-12-03T00:05:01Z").await, nothing);
    assert_eq!(repair_at(&stack, &hands, "2026-12-03T23:00:00Z").await, nothing);
    assert_eq!(seen(&player).await, (status, history));
}

#[tokio::test]
async fn a_shield_is_used_up_once_however_often_it_runs() {
    let hands = Hands::at(FIRST_DAY);
    let (stack, player) = stack_with_player(&hands, 2).await;
    let consumed = repair_at(&stack, &hands, "2026-12-03T00:05:00Z").await;
    assert_eq!(
        (&consumed["protections_consumed"], &consumed["streaks_broken"]),
        (&json!(1), &json!(0))
    );
    let again = repair_at(&stack, &hands, "2026-12-03T00:06:00Z").await;
    assert_eq!(again["protections_consumed"], 0);
    let (status, history) = seen(&player).await;
    assert_eq!((&status["count"], &status["protection"]), (&json!(1), &json!(1)));
    assert_eq!(
        history,
        [json!(["2026-12-02", "protection_consumed"]), json!(["2026-12-01", "claim"])]
    );
    let claim = player.log_in().await.claim().await.ok();
    assert_eq!((&claim["streak_count"], &claim["protection_used"]), (&json!(2), &json!(0)));
}

#[tokio::test]
async fn a_player_who_cannot_be_read_holds_up_nobody() {
    let hands = Hands::at(FIRST_DAY);
    let (stack, poor) = stack_with_player(&hands, 0).await;
    let (others, table) = (others(&stack).await, Table::of(&stack));
    let readable = table.item(&format!("PLAYER#{}", poor.id), "STATE").await;
    let mut item = readable.clone();
    item["streak"] = json!({ "S": "from the future" });
    table.put(vec![item]).await;
    let report = repair_at(&stack, &hands, "2026-12-03T00:05:00Z").await;
    let expected =
        json!({ "players": 4, "protections_consumed": 0, "streaks_broken": 3, "failed": 1 });
    assert_eq!(report, expected);
    for other in &others {
        assert_eq!(seen(other).await.1[0], json!(["2026-12-03", "broken"]));
    }

    table.put(vec![readable]).await;
    let report = repair_at(&stack, &hands, "2026-12-03T00:06:00Z").await;
    assert_eq!((&report["streaks_broken"], &report["failed"]), (&json!(1), &json!(0)));
    assert_eq!(seen(&poor).await.1[0], json!(["2026-12-03", "broken"]));
}

#[tokio::test]
async fn a_run_that_lacked_an_answer_fails_once_all_others_are_mended() {
    let hands = Hands::at(FIRST_DAY);
    let (stack, poor) = stack_with_player(&hands, 0).await;
    let others = others(&stack).await;
    stack.engine().set_fault(Some(Arc::new(Silent(poor.id.clone()))));
    hands.set("2026-12-03T00:05:00Z");
    stack.run_now("streak-repair").await.expect_err("it is tried again");
    stack.engine().set_fault(None);
    for other in &others {
        assert_eq!(seen(other).await.1[0], json!(["2026-12-03", "broken"]));
    }
    let again = repair_at(&stack, &hands, "2026-12-03T00:06:00Z").await;
    let expected =
        json!({ "players": 4, "protections_consumed": 0, "streaks_broken": 1, "failed": 0 });
    assert_eq!(again, expected);
}

#[tokio::test]
async fn a_late_repair_ends_where_the_nightly_ones_do() {
    for (shields, count) in [(0, 0), (1, 0), (2, 1)] {
        let nights = ["2026-12-02T00:05:00Z", "2026-12-03T00:05:00Z", "2026-12-04T00:05:00Z"];
        let mut claimed = Vec::new();
        // Every night; only the last one; not at all.
        for runs in [&nights[..], &nights[2..], &[]] {
            let hands = Hands::at(FIRST_DAY);
            let (stack, player) = stack_with_player(&hands, shields).await;
            for night in runs {
                repair_at(&stack, &hands, night).await;
            }
            hands.set("2026-12-04T09:00:00Z");
            let (status, _) = seen(&player).await;
            assert_eq!(status["count"], count, "{shields} shields, {runs:?}");
            assert_eq!(status["protection"], 0, "{shields} shields, {runs:?}");
            // The claim settles what no repair has.
            player.log_in().await.claim().await.ok();
            claimed.push(seen(&player).await.0);
        }
        assert_eq!(claimed[0]["count"], count + 1);
        assert_eq!(claimed[0], claimed[1], "{shields} shields, late");
        assert_eq!(claimed[0], claimed[2], "{shields} shields, never");
    }
}
