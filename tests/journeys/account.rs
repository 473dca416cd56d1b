//! The own account.

use devstack::Stack;
use serde_json::{Value, json};
use tests::Target;

#[tokio::test]
async fn all_names_of_me_answer_the_same() {
    let target = Target::start().await;
    let player = target.player().await;
    player.claim().await.ok();
    let me = player.api.get("/api/auth/me").await;
    let user = me.ok();
    assert_eq!(user["id"], player.id.as_str());
    assert_eq!((&user["role"], &user["streak"]), (&"standard".into(), &1.into()));
    assert_eq!((&user["experience"], &user["max_experience"]), (&55.into(), &1000.into()));
    for alias in ["/api/auth/profile", "/api/users/me"] {
        assert_eq!(player.api.get(alias).await.text, me.text, "{alias}");
    }
}

#[tokio::test]
async fn the_balance_has_its_older_name_too() {
    let target = Target::start().await;
    let player = target.player().await;
    let gold = player.claim().await.ok()["new_balance"].clone();
    let balance = player.api.get("/api/users/balance").await.ok();
    assert_eq!((&balance["gold_balance"], &balance["cyber_token_balance"]), (&gold, &gold));
}

#[tokio::test]
async fn statistics_are_the_rounds_played_and_never_a_round_behind() {
    let target = Target::start().await;
    let player = target.player().await;
    let (mut wins, mut best, mut profit) = (0, 0, 0);
    for (number, bet) in [10, 25, 7].into_iter().enumerate() {
        let round = player.spin(bet, &format!("spin-{number}")).send().await.ok();
        let won = round["win_gold"].as_i64().expect("gold");
        wins += u64::from(won > 0);
        best = best.max(round["multiplier"].as_u64().expect("a multiplier"));
        profit += won - bet;

        let stats = player.api.get("/api/users/stats").await.ok();
        assert_eq!(stats["total_games_played"], number + 1, "right after round {number}");
        assert_eq!(stats["overall"]["total_profit"], profit);
    }
    if let Some(stack) = target.private("the view that has caught up") {
        // Again when the view has caught up: the fold and the view agree.
        stack.settled(tests::DEADLINE).await.expect("triggers catch up");
    }
    let stats = player.api.get("/api/users/stats").await.ok();
    assert_eq!(stats["total_games_played"], 3);
    let totals = &stats["overall"];
    assert_eq!(totals, &stats["games"]["slot"]);
    assert_eq!((&totals["plays"], &totals["total_bets"]), (&3.into(), &42.into()));
    assert_eq!((&totals["wins"], &totals["losses"]), (&wins.into(), &(3 - wins).into()));
    assert_eq!(totals["highest_multiplier"], best);
    assert_eq!(totals["total_profit"], profit);
    assert_eq!(stats["lifetime_active_days"], stats["last_30d_active_days"]);
}

#[tokio::test]
async fn a_new_player_has_played_nothing() {
    let target = Target::start().await;
    let stats = target.player().await.api.get("/api/users/stats").await.ok();
    assert_eq!((&stats["total_games_played"], &stats["overall"]["plays"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn others_see_a_player_without_anything_private() {
    let target = Target::start().await;
    let (player, other) = (target.player().await, target.player().await);
    player.claim().await.ok();
    let seen = other.api.get(&format!("/api/users/{}", player.id)).await.ok();
    let expected = json!({ "id": player.id, "nickname": player.nickname, "role": "standard",
        "level": 1, "streak": 1 });
    assert_eq!(seen, expected);
    // Nobody sees more of themselves that way.
    assert_eq!(player.api.get(&format!("/api/users/{}", player.id)).await.ok(), expected);

    let nobody = "0199a0a0-0000-7000-8000-000000000001";
    let mut ids = vec![nobody, "nobody", &player.site_id, &player.nickname];
    // Whether such a path is routed at all is the gateway's: ministack has routes of
    // its own for the decoded ones.
    if target.private("ids that are escaped in a path").is_some() {
        ids.extend(["%00", "a%2Fb"]);
    }
    for id in ids {
        let answer = other.api.get(&format!("/api/users/{id}")).await;
        answer.is_problem(404, "player_not_found");
    }
    let stranger = target.api().get(&format!("/api/users/{}", player.id)).await;
    stranger.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_profile_in_detail_is_the_sum_of_what_was_done() {
    let target = Target::start().await;
    let player = target.player().await;
    player.claim().await.ok();
    let round = player.spin(10, "spin").send().await.ok();
    let detail = player.api.get("/api/profile").await.ok();
    assert_eq!(detail["user"], player.me().await);
    let level = json!({ "level": 1, "experience": 55, "max_experience": 1000, "total_xp": 55 });
    assert_eq!(detail["level"], level);
    assert_eq!(detail["totals"], player.api.get("/api/users/stats").await.ok());
    let best = json!([{ "game": "slot", "highest_multiplier": round["multiplier"] }]);
    assert_eq!(detail["top_scores"], best);
    assert_eq!(detail["event_participation"], json!([]));

    let lines = detail["recent_activity"].as_array().expect("lines");
    let of = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("action_type"), ["round_settled", "streak_claimed", "player_signed_up"]);
    let won = round["win_gold"].as_i64().expect("gold") - 10;
    assert_eq!(of("gold_change"), [won, 1123, 1000]);
    assert_eq!(of("balance_after"), [2123 + won, 2123, 1000]);
}

#[tokio::test]
async fn the_older_name_of_the_profile_says_that_it_is_old() {
    let target = Target::start().await;
    let player = target.player().await;
    let old = player.api.get("/api/users/profile").await;
    assert_eq!(old.text, player.api.get("/api/auth/profile").await.text);
    let refused = target.api().get("/api/users/profile").await;
    refused.is_problem(401, "unauthenticated");
    for answer in [old, refused] {
        assert_eq!(answer.header("deprecation"), "true");
        assert_eq!(answer.header("link"), "</api/auth/profile>; rel=\"successor-version\"");
        assert!(answer.header("sunset").ends_with("GMT"));
    }
    assert_eq!(player.api.get("/api/auth/profile").await.header("deprecation"), "");
}

/// Every item of the table, as DynamoDB writes them.
pub async fn whole_table(stack: &Stack) -> Vec<Value> {
    let (mut items, mut from) = (Vec::new(), Value::Null);
    loop {
        let mut request = json!({ "TableName": stack.spec().tables[0].name });
        if !from.is_null() {
            request["ExclusiveStartKey"] = from;
        }
        let request = serde_json::from_value(request).expect("a scan");
        let page = stack.engine().with_database(move |database| database.scan(request)).await;
        let mut page = serde_json::to_value(page.expect("the table")).expect("JSON");
        items.extend(page["Items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        from = page["LastEvaluatedKey"].take();
        if from.is_null() {
            return items;
        }
    }
}

/// Both halves of an item's key.
pub fn key_of(item: &Value) -> (&str, &str) {
    let text = |name: &str| item[name]["S"].as_str().expect("keys are text");
    (text("pk"), text("sk"))
}
