//! One record that nobody can read, among ten thousand.

use anyhow::{Context, Result};
use devstack::Options;
use domain::{PlayerId, Role};
use runtime::Clock;
use serde_json::{Value, json};
use tests::{
    ClickHouse, DEADLINE, Maker, Player, Table, eventually, eventually_within, poisoned, published,
    stack_with,
};

use crate::first_day::journal;

const PLAYERS: usize = 20;
const EACH: u64 = 500;
/// Entries of one player in a row: half a batch of the outbox.
const TURN: usize = 50;
/// Whose entry it is, and which of the copies.
const POISON: (usize, usize) = (7, 250);

#[tokio::test]
async fn the_others_arrive_in_order_and_it_is_listed_replayed_and_loaded() -> Result<()> {
    let server = ClickHouse::start(None).await?;
    let options = Options {
        clickhouse_url: Some(server.url.clone()),
        parameters: [("OutboxLongestWaitSeconds".to_owned(), "0".to_owned())].into(),
        ..Options::default()
    };
    let stack = stack_with(options).await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = maker.player(Role::Operator).await;
    let table = Table::of(&stack);
    let (mut players, mut entries) = (Vec::new(), Vec::new());
    for _ in 0..PLAYERS {
        let player = maker.player(Role::Standard).await;
        let rotate =
            player.api.post("/api/games/fairness/rotate", &json!({ "client_seed": "mine" }));
        rotate.key("moves-no-gold").send().await.ok();
        entries.push(table.skip(player.id.parse()?, EACH).await);
        players.push(player);
    }
    // By turns, each in order.
    let places: Vec<_> = (0..entries[0].len()).collect();
    let turns = places.chunks(TURN).flat_map(|turn| (0..PLAYERS).map(move |player| (player, turn)));
    let sent = turns.flat_map(|(player, turn)| turn.iter().map(move |&place| (player, place)));
    let sent = sent.map(|(player, place)| {
        let entry = &entries[player][place];
        if (player, place) == POISON { poisoned(entry) } else { entry.clone() }
    });
    table.put(sent.collect()).await;
    // The views and the mails take their time; they are not what is looked at.
    let events = PLAYERS * (2 + usize::try_from(EACH)?) + 1;
    loaded(&server, events - 1).await;
    eventually("the poison is given up", || async { letters(&operator).await.len() == 1 }).await;
    let letter = letters(&operator).await.remove(0);
    let mended = &entries[POISON.0][POISON.1];
    assert_eq!(letter["sk"], mended["sk"]["S"]);
    table.put(vec![mended.clone()]).await;
    players.push(operator);
    let journal = journal(&stack, &players).await?;
    let poison = |player: PlayerId, seq: u64| {
        player.to_string() == players[POISON.0].id
            && json!(format!("ENTRY#{seq:016}")) == mended["sk"]["S"]
    };
    server.holds_entries(journal.iter().filter(|entry| !poison(entry.player, entry.seq))).await?;

    let path = format!("/api/admin/dead-letters/{}/replay", letter["id"].as_str().unwrap_or(""));
    let reason = json!({ "reason": "mended" });
    let operator = players.last().context("the operator")?;
    let replayed = operator.api.post(&path, &reason).key("mended").send().await.ok();
    loaded(&server, events + 1).await;
    let journal = self::journal(&stack, &players).await?;
    server.holds_entries(journal.iter()).await?;

    // In order per player, but for the one that came when it could.
    let late = replayed["seq"].as_u64().context("a number")?;
    for (player, mut seqs) in published(&stack).await? {
        if player.to_string() == players[POISON.0].id {
            assert_eq!(seqs.pop(), Some(late));
            seqs.insert(usize::try_from(late - 1)?, late);
        }
        assert!(seqs.iter().copied().eq(1..=u64::try_from(seqs.len())?), "{player}: {seqs:?}");
    }
    Ok(())
}

/// Waits until so many events are in ClickHouse, in loads that are complete.
async fn loaded(server: &ClickHouse, events: usize) {
    let rows = "SELECT count() FROM events_log \
                WHERE load_token IN (SELECT load_token FROM events_loaded)";
    eventually_within(6 * DEADLINE, "every event is a row", || async {
        server.sql(rows).await.expect("rows") == events.to_string()
    })
    .await;
}

async fn letters(operator: &Player) -> Vec<Value> {
    let page = operator.api.get("/api/admin/dead-letters").await.ok();
    page["items"].as_array().expect("items").clone()
}
