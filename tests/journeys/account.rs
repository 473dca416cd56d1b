//! The own account.

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
