//! `/api/admin/dead-letters`: what cannot be published is set aside, holds up nobody, and
//! is published once it can be.
//!
//! On private stacks: the records are put into the table by hand.

use devstack::{Options, Stack};
use domain::{PlayerId, Role};
use runtime::Clock;
use serde_json::{Value, json};
use tests::{Answer, DEADLINE, Maker, Player, Table, poisoned, stack_with};

const LETTERS: &str = "/api/admin/dead-letters";

struct World {
    stack: Stack,
    operator: Player,
    player: Player,
    other: Player,
}

impl World {
    /// A stack that tries again at once.
    async fn new() -> Self {
        let parameters = [("OutboxLongestWaitSeconds".to_owned(), "0".to_owned())].into();
        let stack = stack_with(Options { parameters, ..Options::default() }).await;
        let maker = Maker::new(&stack, Clock::system()).await;
        let operator = maker.player(Role::Operator).await;
        let player = maker.player(Role::Standard).await;
        let other = maker.player(Role::Standard).await;
        Self { stack, operator, player, other }
    }

    fn player(&self) -> PlayerId {
        self.player.id.parse().expect("an id")
    }

    /// An unreadable entry for the player's journal, and what it should have been.
    async fn unreadable(&self) -> (Value, Value) {
        let rotated =
            self.player.api.post("/api/games/fairness/rotate", &json!({ "client_seed": "mine" }));
        rotated.key("moves-no-gold").send().await.ok();
        let entry = Table::of(&self.stack).skip(self.player(), 1).await.remove(0);
        (poisoned(&entry), entry)
    }

    async fn settled(&self) {
        self.stack.settled(DEADLINE).await.expect("settles");
    }

    async fn letters(&self, query: &str) -> Value {
        self.operator.api.get(&format!("{LETTERS}{query}")).await.ok()
    }

    async fn replay(&self, id: &str, key: &str) -> Answer {
        let path = format!("/api/admin/dead-letters/{id}/replay");
        self.operator.api.post(&path, &json!({ "reason": "mended" })).key(key).send().await
    }

    /// The entry up to which a player's statistics were told.
    async fn told(&self, player: &Player) -> u64 {
        let subject = store::Subject::system(player.id.parse().expect("an id"));
        self.stack.store("test").open(subject).await.expect("opens").stored_seq
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn an_unreadable_entry_is_listed_replayed_once_it_is_mended_and_holds_up_nobody() {
    let world = World::new().await;
    let (poison, entry) = world.unreadable().await;
    Table::of(&world.stack).put(vec![poison.clone()]).await;
    // Its player goes on, and so do others behind it.
    world.player.spin(1, "after").send().await.ok();
    world.other.spin(1, "beside").send().await.ok();
    world.settled().await;
    assert_eq!(world.told(&world.other).await, 2);

    let page = world.letters("").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    let letter = &page["items"][0];
    assert_eq!(letter["tries"], 10);
    assert_eq!((&letter["pk"], &letter["sk"]), (&poison["pk"]["S"], &poison["sk"]["S"]));
    assert!(text(&letter["reason"]).contains("from_the_future"), "{letter}");
    let payload: Value = serde_json::from_str(text(&letter["payload"])).expect("JSON");
    assert_eq!(payload["record"]["dynamodb"]["NewImage"], poison);

    let id = text(&letter["id"]);
    world.replay(id, "too-early").await.is_problem(409, "dead_letter_unreadable");
    Table::of(&world.stack).put(vec![entry]).await;
    let replayed = world.replay(id, "mended").await.ok();
    let seq = replayed["seq"].as_u64().expect("a number");
    assert_eq!(replayed, json!({ "id": id, "user_id": world.player.id, "seq": seq }));
    assert_eq!(world.letters("").await["items"], json!([]));
    // With the same key the same answer; with another, there is nothing left to replay.
    assert_eq!(world.replay(id, "mended").await.ok(), replayed);
    world.replay(id, "again").await.is_problem(404, "dead_letter_not_found");
    world.settled().await;
    assert_eq!(world.told(&world.player).await, seq, "its event is what was published");
    world.player.spin(1, "and-on").send().await.ok();
    world.settled().await;
    assert_eq!(world.told(&world.player).await, seq + 2);
}

#[tokio::test]
async fn a_replay_needs_no_key() {
    let world = World::new().await;
    let (poison, entry) = world.unreadable().await;
    Table::of(&world.stack).put(vec![poison]).await;
    world.settled().await;
    Table::of(&world.stack).put(vec![entry]).await;
    let page = world.letters("").await;
    let id = text(&page["items"][0]["id"]);
    let path = format!("/api/admin/dead-letters/{id}/replay");
    let replay = || world.operator.api.post(&path, &json!({ "reason": "mended" })).send();
    assert_eq!(replay().await.ok()["id"], id);
    replay().await.is_problem(404, "dead_letter_not_found");
}

#[tokio::test]
async fn what_is_mended_while_it_is_tried_again_is_no_dead_letter() {
    let world = World::new().await;
    let (poison, entry) = world.unreadable().await;
    // The table's stream tells of the first one only.
    Table::of(&world.stack).put(vec![poison, entry]).await;
    world.settled().await;
    assert_eq!(world.letters("").await["items"], json!([]));
    assert_eq!(world.told(&world.player).await, 3);
}

#[tokio::test]
async fn letters_come_in_pages_newest_first() {
    let world = World::new().await;
    let table = Table::of(&world.stack);
    let records = (1..=5).map(|seq| {
        json!({ "pk": { "S": format!("PLAYER#nobody-{seq}") }, "sk": { "S": "ENTRY#1" },
                "entity": { "S": "entry" } })
    });
    table.put(records.collect()).await;
    world.settled().await;
    let (mut ids, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = world.letters(&query).await;
        let items = page["items"].as_array().expect("items").clone();
        ids.extend(items.iter().map(|item| text(&item["id"]).to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        assert_eq!(items.len(), 2);
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
    world.replay(&ids[0], "nobodys").await.is_problem(409, "dead_letter_unreadable");
}

#[tokio::test]
async fn what_is_no_letter_is_not_found() {
    let world = World::new().await;
    for id in ["nonsense", "019ae1c2-6d0e-7c4b-9a53-0f5b2e7d1c44"] {
        world.replay(id, id).await.is_problem(404, "dead_letter_not_found");
    }
    let refused = world.operator.api.get(&format!("{LETTERS}?cursor=nonsense")).await;
    refused.is_problem(422, "validation_failed");
    let path = format!("/api/admin/dead-letters/{}/replay", world.player.id);
    let unreasoned = world.operator.api.post(&path, &json!({ "reason": "" })).key("why").send();
    unreasoned.await.is_problem(422, "validation_failed");
}
