//! `GET /api/admin/fraud/audit`: why a purchase went through, or did not.

use domain::{
    Role,
    fraud::{Action, Features, MOST_REMEMBERED},
};
use serde_json::{Value, json};
use tests::{Hands, Maker, Player, Purchase, Till, books, stack_with};

const AUDIT: &str = "/api/admin/fraud/audit";

struct Shop {
    hands: Hands,
    stack: devstack::Stack,
    maker: Maker,
    operator: Player,
    till: Till,
}

impl Shop {
    async fn open() -> Self {
        let hands = Hands::at("2026-12-01T12:00:00Z");
        let options = hands.options();
        let clock = options.clock.clone();
        let stack = stack_with(options).await;
        let maker = Maker::new(&stack, clock.clone()).await;
        let operator = maker.player(Role::Operator).await;
        let till = Till::new(&stack, "test", clock);
        Self { hands, stack, maker, operator, till }
    }

    async fn audit(&self, query: &str) -> Value {
        self.operator.api.get(&format!("/api/admin/fraud/audit?{query}")).await.ok()
    }

    /// All pages' items.
    async fn whole(&self, query: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        for _ in 0..100 {
            let page = self.audit(&format!("{query}{cursor}")).await;
            items.extend(page["items"].as_array().expect("items").clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
        panic!("the list does not end");
    }
}

fn actions(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["action"].as_str().expect("an action")).collect()
}

#[tokio::test]
async fn a_farm_at_one_address_is_flagged_then_stopped_and_every_step_explained() {
    let shop = Shop::open().await;
    let mut players = Vec::new();
    for _ in 0..3 {
        players.push(shop.maker.player(Role::Standard).await);
    }
    for number in 0..51_usize {
        shop.hands.set(&format!("2026-12-01T12:01:{number:02}Z"));
        let player = &players[number % 3];
        let purchase = Purchase::of(player, &format!("buy-{number}")).at("203.0.113.7");
        let decided = shop.till.assess(&purchase).await.expect("is decided");
        let expected = match number {
            0..14 => Action::Allow,
            14..49 => Action::Review,
            _ => Action::SoftBlock,
        };
        assert_eq!(decided.decision.action, expected, "{number}");
        let counted = MOST_REMEMBERED.min(number + 1);
        assert_eq!(decided.features.address_attempts_10m, counted as u64);
    }
    // Elsewhere nobody notices, and ten minutes later nobody here.
    let elsewhere = Purchase::of(&players[0], "elsewhere").at("203.0.113.8");
    let decided = shop.till.assess(&elsewhere).await.expect("is decided");
    assert_eq!(decided.decision.action, Action::Allow);
    shop.hands.set("2026-12-01T12:11:51Z");
    let later = Purchase::of(&players[1], "later").at("203.0.113.7");
    let decided = shop.till.assess(&later).await.expect("is decided");
    assert_eq!((decided.decision.action, decided.decision.score), (Action::Allow, 20));
    let Features { address_attempts_10m, address_attempts_24h, .. } = decided.features;
    assert_eq!((address_attempts_10m, address_attempts_24h), (1, 50));

    let all = shop.whole("limit=4").await;
    assert_eq!(all.len(), 53);
    let times: Vec<_> = all.iter().map(|item| item["at"].as_str().expect("a time")).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    assert_eq!(all, shop.whole("limit=100").await);
    for (action, count) in [("allow", 16), ("review", 35), ("soft_block", 2), ("hard_block", 0)] {
        let of_action = shop.whole(&format!("action={action}&limit=3")).await;
        assert_eq!(actions(&of_action), vec![action; count]);
    }
    let of_player = shop.whole(&format!("player={}&limit=2", players[2].id)).await;
    assert_eq!(of_player.len(), 17);
    let both = shop.whole(&format!("player={}&action=soft_block", players[2].id)).await;
    assert_eq!(both.len(), 1);
    let blocked = &both[0];
    assert_eq!((&blocked["score"], &blocked["rules_version"]), (&json!(90), &json!(0)));
    assert_eq!(blocked["features"]["address_attempts_10m"], 50);
    let why = &blocked["matched_rules"][1];
    let text = "A flood of purchases from one address within ten minutes: \
                address_attempts_10m is 50 (>= 50)";
    assert_eq!((&why["id"], &why["explanation"]), (&json!("address_flood"), &json!(text)));
    assert!(!blocked.to_string().contains("203.0.113"), "nothing personal is kept");

    // What says something about a player is in their journal, once; what does not, is not.
    let journal = books(&shop.stack, &players[2]).await;
    let kinds = journal.iter().filter(|entry| entry.fact.kind() == "fraud_decided").count();
    assert_eq!(kinds, 13, "of seventeen the first four went through");
    let event = domain::envelope(journal.last().expect("an entry"));
    assert_eq!(event.event_type, "fraud.decision");
    assert_eq!(event.payload["attempt_id"], blocked["attempt_id"]);
}

#[tokio::test]
async fn cards_that_fail_one_after_the_other_slow_their_player_down() {
    let shop = Shop::open().await;
    let player = shop.maker.player(Role::Standard).await;
    for number in 0..3 {
        let card = Purchase { card: format!("tok_{number}"), ..Purchase::of(&player, "first") };
        let assessed = shop.till.admit(&card).await.expect("goes through");
        shop.till.fail(assessed.player, assessed.attempt).await;
        shop.till.fail(assessed.player, assessed.attempt).await;
    }
    let next = Purchase::of(&player, "next");
    let slowed = shop.till.admit(&next).await.expect_err("is slowed down");
    assert_eq!(slowed.code().as_str(), "purchase_slowed");
    let items = shop.whole("action=soft_block").await;
    let features = &items[0]["features"];
    assert_eq!((&features["cards_24h"], &features["failed_attempts_24h"]), (&json!(4), &json!(3)));

    // Until then the same, and counted no more; after that it is another attempt.
    shop.hands.set("2026-12-01T12:09:59Z");
    let again = shop.till.assess(&next).await.expect("is known");
    assert_eq!(again.attempt.to_string(), items[0]["attempt_id"].as_str().expect("an id"));
    assert_eq!(shop.whole("limit=100").await.len(), 4);
    shop.hands.set("2026-12-02T12:00:00Z");
    let later = shop.till.admit(&next).await.expect("a day later");
    assert_ne!(later.attempt, again.attempt);
    assert_eq!((later.decision.action, later.features.cards_24h), (Action::Allow, 1));
    assert_eq!(shop.till.assess(&next).await.expect("is known"), later);
}

#[tokio::test]
async fn a_device_and_a_network_are_recognised_whoever_buys() {
    let shop = Shop::open().await;
    let (one, other) =
        (shop.maker.player(Role::Standard).await, shop.maker.player(Role::Standard).await);
    let with = |player, key: &str, address, device: &str| Purchase {
        device: Some(device.to_owned()),
        ..Purchase::of(player, key).at(address)
    };
    let first = with(&one, "a", "2001:db8:1:2::1", "phone");
    shop.till.assess(&first).await.expect("is decided");
    let second = with(&other, "b", "2001:db8:1:2:ffff::9", "phone");
    let second = shop.till.assess(&second).await.expect("is decided").features;
    assert_eq!((second.address_attempts_10m, second.device_attempts_10m), (2, 2));
    let third = with(&other, "c", "2001:db8:1:3::1", "laptop");
    let third = shop.till.assess(&third).await.expect("is decided").features;
    assert_eq!((third.address_attempts_10m, third.device_attempts_10m), (1, 1));
    let unknown = shop.till.assess(&Purchase::of(&other, "d")).await.expect("is decided").features;
    assert_eq!((unknown.address_attempts_24h, unknown.device_attempts_24h), (0, 0));
    assert_eq!((unknown.cards_24h, unknown.amount_spread_24h), (1, 0));
}

#[tokio::test]
async fn the_audit_is_for_operators_and_its_cursors_for_one_list() {
    let shop = Shop::open().await;
    let player = shop.maker.player(Role::Vip).await;
    player.api.get(AUDIT).await.is_problem(403, "forbidden");
    player.api.somebody_else().get(AUDIT).await.is_problem(401, "unauthenticated");
    for key in ["a", "b"] {
        shop.till.assess(&Purchase::of(&player, key)).await.expect("is decided");
    }
    let page = shop.audit("limit=1").await;
    let cursor = page["next_cursor"].as_str().expect("another page");
    for (query, at) in [
        (format!("action=allow&cursor={cursor}"), "/cursor"),
        ("limit=0".to_owned(), "/limit"),
        ("player=me".to_owned(), "/player"),
        ("action=shrug".to_owned(), "/action"),
    ] {
        let answer = shop.operator.api.get(&format!("/api/admin/fraud/audit?{query}")).await;
        let problem = answer.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], at, "{query}");
    }
}
