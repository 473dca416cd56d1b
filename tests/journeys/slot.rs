//! The slot.

use domain::{Account, Ctx, Fact, Gold, Legs, Once, OnceKey, Plan, PlayerId, slot::PAYTABLE};
use serde_json::{Value, json};
use store::Decision;
use tests::{Answer, Player, Target, stack};

const SPIN: &str = "/api/games/slot/spin";

/// What no refused request may change: all the caller has and how far their
/// journal is (the next nonce is the next entry's number).
async fn possessions(player: &Player) -> (Value, Value) {
    let fairness = player.api.get("/api/games/fairness").await.ok();
    (player.me().await, fairness["next_nonce"].clone())
}

async fn spin_text(player: &Player, body: &str, key: &str) -> Answer {
    player.api.call(reqwest::Method::POST, SPIN).body(body).key(key).send().await
}

#[tokio::test]
async fn a_round_pays_what_its_reels_say() {
    let target = Target::start().await;
    let player = target.player().await;
    let mut balance = 1000;
    for number in 0..5 {
        let round = player.spin(20, &format!("{number}")).send().await.ok();
        let reels: Vec<String> = serde_json::from_value(round["reels"].clone()).expect("symbols");
        let multiplier = PAYTABLE.multiplier(&reels);
        balance += 20 * i64::from(multiplier) - 20;
        assert_eq!(round["multiplier"], multiplier);
        assert_eq!(round["win_gold"], 20 * multiplier);
        assert_eq!((&round["bet_gold"], &round["gold_balance"]), (&json!(20), &json!(balance)));
        assert_eq!(round["fairness"]["paytable_version"], PAYTABLE.version);
        assert_eq!(player.gold().await, balance);
    }
}

#[tokio::test]
async fn a_bet_that_is_none_is_refused_and_changes_nothing() {
    let target = Target::start().await;
    let player = target.player().await;
    let before = possessions(&player).await;
    for (body, pointer, rule) in [
        (r#"{"bet":0}"#, "/bet", "too_small"),
        (r#"{"bet":-1}"#, "/bet", "too_small"),
        (r#"{"bet":-9223372036854775808}"#, "/bet", "too_small"),
        (r#"{"bet":1e3}"#, "/bet", "wrong_type"),
        (r#"{"bet":10.0}"#, "/bet", "wrong_type"),
        (r#"{"bet":"10"}"#, "/bet", "wrong_type"),
        (r#"{"bet":9223372036854775808}"#, "/bet", "wrong_type"),
        (r#"{"bet":null}"#, "/bet", "wrong_type"),
        (r#"{"bet":[10]}"#, "/bet", "wrong_type"),
        (r#"{}"#, "/bet", "required"),
        (r#"{"bet":10,"win":1000}"#, "/win", "unknown_field"),
        (r#"[10]"#, "", "wrong_type"),
    ] {
        let problem =
            spin_text(&player, body, "refused").await.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        assert_eq!(problem["errors"][0]["code"], rule, "{body}");
    }
    assert_eq!(possessions(&player).await, before);
    player.spin(10, "refused").send().await.ok();
}

#[tokio::test]
async fn a_bet_above_the_balance_is_refused_and_changes_nothing() {
    let target = Target::start().await;
    let player = target.player().await;
    let before = possessions(&player).await;
    for bet in [1001, 100_001, i64::MAX] {
        let problem =
            player.spin(bet, "too much").send().await.is_problem(422, "idempotency_key_invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/Idempotency-Key");
        let problem =
            player.spin(bet, "too-much").send().await.is_problem(422, "insufficient_funds");
        assert_eq!(problem["errors"][0]["pointer"], "/bet");
        assert_eq!(problem["errors"][0]["code"], "insufficient_funds");
        assert_eq!(
            (&problem["needed_gold"], &problem["gold_balance"]),
            (&bet.into(), &1000.into())
        );
    }
    assert_eq!(possessions(&player).await, before);
    let all = player.spin(1000, "too-much").send().await.ok();
    assert_eq!(all["bet_gold"], 1000, "a refusal uses no key up, and all can be bet");
}

#[tokio::test]
async fn a_bet_above_the_tables_limit_is_refused_however_rich_the_player() {
    let stack = stack().await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;
    let id: PlayerId = player.id.parse().expect("an id");
    let ctx =
        Ctx { now: runtime::Clock::system().now(), seed: [1; 32], trace_id: "test".to_owned() };
    let once =
        Once { key: OnceKey::Natural("fortune".to_owned()), request_hash: "fortune".to_owned() };
    let fortune = |state: &domain::Player| {
        let fact = Fact::StreakClaimed {
            day: ctx.today(),
            count: 1,
            gold: Gold::new(1_000_000),
            xp: 0,
            protections_used: 0,
            formula: "test".to_owned(),
        };
        let legs = Legs::to_player(Account::MintStreak, Gold::new(1_000_000))?;
        Ok(Decision { plan: Plan::new(state, &ctx, fact, legs)?, answer: None })
    };
    stack.store("test").execute(store::Subject::system(id), once, fortune).await.expect("an entry");

    let before = possessions(&player).await;
    let over = PAYTABLE.max_bet + 1;
    let problem = player.spin(over, "over").send().await.is_problem(422, "bet_too_large");
    assert_eq!(problem["errors"][0]["pointer"], "/bet");
    assert_eq!(problem["maximum_bet"], PAYTABLE.max_bet);
    assert_eq!(possessions(&player).await, before);
    player.spin(PAYTABLE.max_bet, "at").send().await.ok();
}

#[tokio::test]
async fn the_same_key_and_bet_get_the_first_answer_byte_for_byte() {
    let target = Target::start().await;
    let player = target.player().await;
    let first = player.spin(10, "key").send().await;
    player.spin(10, "another").send().await.ok();
    let before = possessions(&player).await;
    let again = player.spin(10, "key").send().await;
    assert_eq!((first.is_replayed(), again.is_replayed()), (false, true));
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    let older = player.api.post(SPIN, &json!({ "bet": 10 })).header("x-idempotency-key", "key");
    assert_eq!(older.send().await.text, first.text, "the header's older name is the same key");
    let spaced = spin_text(&player, " { \"bet\" : 10 } ", "key").await;
    assert_eq!(spaced.text, first.text, "the same request, written otherwise");
    assert_eq!(possessions(&player).await, before);
}

#[tokio::test]
async fn a_key_used_for_something_else_is_refused_and_changes_nothing() {
    let target = Target::start().await;
    let player = target.player().await;
    player.spin(10, "key").send().await.ok();
    let before = possessions(&player).await;
    player.spin(11, "key").send().await.is_problem(409, "idempotency_key_reused");
    player.buy("neon_frame", 1, "key").send().await.is_problem(409, "idempotency_key_reused");
    let rotate = player.api.post("/api/games/fairness/rotate", &json!({ "client_seed": "x" }));
    rotate.key("key").send().await.is_problem(409, "idempotency_key_reused");
    assert_eq!(possessions(&player).await, before);

    let other = target.player().await;
    let theirs = other.spin(11, "key").send().await;
    assert!(!theirs.is_replayed(), "keys are each player's own");
    theirs.ok();
}

#[tokio::test]
async fn a_spin_needs_a_usable_key() {
    let target = Target::start().await;
    let player = target.player().await;
    let before = possessions(&player).await;
    let spin = || player.api.post(SPIN, &json!({ "bet": 10 }));
    let problem = spin().send().await.is_problem(422, "idempotency_key_required");
    assert_eq!(problem["errors"][0]["pointer"], "/Idempotency-Key");
    for key in ["", "a b", &"k".repeat(129)] {
        let problem = spin().key(key).send().await.is_problem(422, "idempotency_key_invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/Idempotency-Key");
    }
    assert_eq!(possessions(&player).await, before);
    spin().key(&"k".repeat(128)).send().await.ok();
}
