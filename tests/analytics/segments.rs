//! Who a player is to the shop, by what they did, and what they are recommended.

use anyhow::{Context, Result};
use devstack::{Options, Stack};
use domain::{Role, segment::Segment};
use reqwest::Method;
use serde_json::{Value, json};
use store::Segmented;
use tests::{ClickHouse, DEADLINE, Hands, Maker, Player, shop, stack_with};

async fn settle(stack: &Stack) -> Result<()> {
    stack.settled(DEADLINE).await.map_err(|lag| anyhow::anyhow!("not loaded in time: {lag:?}"))
}

async fn recommended(player: &Player) -> (Value, Vec<String>) {
    let answer = player.api.get("/api/recommendations").await.ok();
    let products = answer["items"].as_array().expect("items").iter();
    let products = products.map(|of| of["product_id"].as_str().expect("an id").to_owned());
    (answer["computed_at"].clone(), products.collect())
}

async fn segmented(stack: &Stack, player: &Player, now: &str) -> Result<Segmented> {
    let found = stack.store("test").segmented(player.id.parse()?, now.parse()?).await?;
    found.context("nobody has looked")
}

#[tokio::test]
async fn a_look_at_night_tells_payers_from_those_who_stay_away() -> Result<()> {
    let mut server = ClickHouse::start(None).await?;
    let hands = Hands::at("2026-12-01T12:00:00Z");
    let options = Options { clickhouse_url: Some(server.url.clone()), ..hands.options() };
    let stack = stack_with(shop::prompt_payments(options)).await;
    let clock = hands.options().clock;
    let maker = Maker::new(&stack, clock.clone()).await;
    let (payer, idle) = (maker.player(Role::Standard).await, maker.player(Role::Standard).await);
    let gone = maker.player(Role::Standard).await;
    let newcomers = ["streak_shield", "gold_pack_1000", "neon_frame"];
    assert_eq!(recommended(&payer).await, (Value::Null, newcomers.map(str::to_owned).into()));

    for (number, quantity) in [(1, 5), (2, 2)] {
        let key = format!("pack-{number}");
        let paid = payer.pay("gold_pack_12000", quantity, "tok_ok", &key).send().await;
        shop::stands(&payer, &shop::receipt(&paid), "success").await;
    }
    payer.buy("lucky_cat_avatar", 1, "avatar").send().await.ok();
    gone.api.call(Method::DELETE, "/api/auth/me").send().await.ok();
    settle(&stack).await?;

    // In the first week everybody is new, whatever they paid.
    let night = "2026-12-02T02:00:00Z";
    hands.set(night);
    assert_eq!(stack.run_now("player-segments").await?, json!({ "players": 2, "failed": 0 }));
    assert_eq!(segmented(&stack, &payer, night).await?.segment, Segment::Newcomer);

    // Seventeen days later one has paid, and both have stayed away.
    let night = "2026-12-18T02:00:00Z";
    hands.set(night);
    for _ in ["first", "again"] {
        assert_eq!(stack.run_now("player-segments").await?, json!({ "players": 2, "failed": 0 }));
    }
    let payers = segmented(&stack, &payer, night).await?;
    let scores = (payers.scores.recency, payers.scores.frequency, payers.scores.monetary);
    assert_eq!((payers.segment, scores), (Segment::AtRisk, (1, 1, 4)));
    assert_eq!(segmented(&stack, &idle, night).await?.segment, Segment::Lost);
    let payer = payer.log_in().await;
    let (at, products) = recommended(&payer).await;
    assert_eq!(at, json!(night));
    assert_eq!(products, ["gold_pack_1000", "streak_shield", "neon_frame"]);

    let exported = payer.api.get("/api/auth/export").await.ok()["shop_profile"].clone();
    assert_eq!((&exported["segment"], &exported["monetary"]), (&json!("at_risk"), &json!(4)));
    assert_eq!(exported["recommended"], json!(products));

    // A run that is late undoes nothing.
    hands.set("2026-12-17T02:00:00Z");
    stack.run_now("player-segments").await?;
    assert_eq!(segmented(&stack, &payer, night).await?, payers);
    // After a week without a look nobody knows any more.
    assert!(segmented(&stack, &payer, "2026-12-25T02:00:00Z").await.is_err());

    server.stop().await?;
    assert!(stack.run_now("player-segments").await.is_err(), "it is tried again, and rings");
    Ok(())
}
