//! Who is online and what was played, by the clock.

use devstack::{Options, Stack};
use serde_json::{Value, json};
use store::Subject;
use tests::{Api, DEADLINE, Hands, Player, Table, stack_with};

/// The win from which on these tests call a round a big win.
const BIG: i64 = 20;

/// What is told after everything that happened has been counted.
async fn metrics(stack: &Stack) -> (u64, u64, u64) {
    stack.settled(DEADLINE).await.expect("settles");
    let metrics = Api::new(&stack.base_url).get("/api/metrics/global").await.ok();
    let count = |name: &str| metrics[name].as_u64().expect("a number");
    (count("online_users"), count("spins_last_hour"), count("big_wins_last_hour"))
}

/// Spins, and how many of the rounds were big wins.
async fn spin(player: &Player, rounds: u64, name: &str) -> u64 {
    let mut big = 0;
    for number in 0..rounds {
        let round: Value = player.spin(10, &format!("{name}-{number}")).send().await.ok();
        big += u64::from(round["win_gold"].as_i64().expect("gold") >= BIG);
    }
    big
}

#[tokio::test]
async fn who_was_there_counts_for_five_minutes_and_a_round_for_an_hour() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let parameters = [("BigWinThresholdGold".to_owned(), BIG.to_string())].into();
    let stack = stack_with(Options { parameters, ..hands.options() }).await;
    assert_eq!(metrics(&stack).await, (0, 0, 0));
    let api = Api::new(&stack.base_url);
    let player = Player::sign_up(&api).await;
    let big = spin(&player, 30, "first").await;
    // What an instance has counted it tells for five seconds.
    hands.set("2026-12-01T09:00:04.999Z");
    assert_eq!(metrics(&stack).await, (0, 0, 0));
    hands.set("2026-12-01T09:00:05Z");
    assert_eq!(metrics(&stack).await, (1, 30, big));

    hands.set("2026-12-01T09:02:00Z");
    let other = Player::sign_up(&api).await;
    let more = spin(&other, 10, "other").await;
    assert_eq!(metrics(&stack).await, (2, 40, big + more));
    // The first was last seen at nine sharp, the other two minutes later.
    hands.set("2026-12-01T09:05:00Z");
    assert_eq!(metrics(&stack).await.0, 2);
    hands.set("2026-12-01T09:05:06Z");
    assert_eq!(metrics(&stack).await, (1, 40, big + more));
    hands.set("2026-12-01T09:07:06Z");
    assert_eq!(metrics(&stack).await, (0, 40, big + more));

    // A socket is somebody, however many there are, for as long as it speaks.
    let (mut socket, second) = (player.socket().await, player.socket().await);
    hands.set("2026-12-01T09:07:12Z");
    assert_eq!(metrics(&stack).await.0, 1);
    second.close().await;
    hands.set("2026-12-01T09:12:00Z");
    socket.until("initial_state").await;
    socket.send(&json!({ "action": "ping" })).await;
    socket.until("pong").await;
    hands.set("2026-12-01T09:16:59Z");
    assert_eq!(metrics(&stack).await.0, 1);
    hands.set("2026-12-01T09:17:05Z");
    assert_eq!(metrics(&stack).await.0, 0);

    // Whole minutes: the rounds of nine o'clock until ten, those of two past for longer.
    hands.set("2026-12-01T10:00:59Z");
    assert_eq!(metrics(&stack).await, (0, 40, big + more));
    hands.set("2026-12-01T10:01:04Z");
    assert_eq!(metrics(&stack).await, (0, 10, more));
    hands.set("2026-12-01T10:03:10Z");
    assert_eq!(metrics(&stack).await, (0, 0, 0));
}

#[tokio::test]
async fn a_round_counts_once_however_often_its_event_comes() {
    let stack = stack_with(Options::default()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let (store, id) = (stack.store("test"), player.id.parse().expect("an id"));
    let counted = async || {
        stack.settled(DEADLINE).await.expect("settles");
        let counted = store.activity(id).await.expect("is there");
        let spins: u32 = counted.minutes.values().map(|rounds| rounds.spins).sum();
        (spins, counted.applied_seq)
    };
    spin(&player, 3, "some").await;
    assert_eq!(counted().await, (3, 4));
    let table = Table::of(&stack);
    let older = table.item(&format!("PLAYER#{}", player.id), "VIEW#stats").await;
    spin(&player, 2, "more").await;
    assert_eq!(counted().await, (5, 6));
    // As after a crash in between: the rounds are counted, the statistics are not.
    table.put(vec![older]).await;
    spin(&player, 1, "last").await;
    assert_eq!(counted().await, (6, 7));
    let opened = store.open(Subject::system(id)).await.expect("opens");
    assert_eq!((opened.stored_seq, opened.stats.total().plays), (7, 6));
}
