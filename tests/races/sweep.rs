//! What the table's stream never delivers: the outbox was away for longer than the
//! stream keeps a record.

use std::{collections::BTreeMap, path::Path};

use devstack::{Options, Stack};
use domain::PlayerId;
use jiff::SignedDuration;
use runtime::Clock;
use serde_json::{Value, json};
use tests::{Api, DEADLINE, Hands, Player, Table, poisoned, published, stack_with};

const A_DAY_AND_AN_HOUR: SignedDuration = SignedDuration::from_hours(25);

fn paused() -> Options {
    let parameters = [("EventPublishEnabled".to_owned(), "false".to_owned())].into();
    Options { parameters, ..Options::default() }
}

async fn sweep(stack: &Stack, order: Value) -> Value {
    stack.invoke("OutboxSweepFunction", order).await.expect("the sweep runs")
}

fn everybody() -> Value {
    json!({ "everybody": true })
}

/// Players with a signup and so many rounds each.
async fn played(stack: &Stack, rounds: &[u64]) -> BTreeMap<PlayerId, u64> {
    let mut heads = BTreeMap::new();
    for &rounds in rounds {
        let player = Player::sign_up(&Api::new(&stack.base_url)).await;
        for number in 0..rounds {
            player.spin(1, &format!("spin-{number}")).send().await.ok();
        }
        heads.insert(player.id.parse().expect("an id"), 1 + rounds);
    }
    heads
}

/// As in the journal, whatever comes again.
fn first_of_each(seqs: &[u64]) -> Vec<u64> {
    let mut known = Vec::new();
    for &seq in seqs {
        if !known.contains(&seq) {
            known.push(seq);
        }
    }
    known
}

/// All of it published by the marks, and nothing beyond.
async fn marked(stack: &Stack, heads: &BTreeMap<PlayerId, u64>) -> bool {
    let players: Vec<_> = heads.keys().copied().collect();
    let progress = stack.store("test").progress(&players).await.expect("answers");
    progress.len() == heads.len()
        && progress.iter().all(|of| of.head == heads[&of.player] && of.published == of.head)
}

async fn a_day_later(data: &Path) -> Stack {
    let clock = Clock::new(|| Clock::system().now() + A_DAY_AND_AN_HOUR);
    stack_with(Options { data: Some(data.to_owned()), clock, ..Options::default() }).await
}

#[tokio::test]
async fn what_the_stream_forgot_before_it_was_read_is_published_once_and_in_order() {
    let data = tempfile::tempdir().expect("a directory");
    let options = Options { data: Some(data.path().to_owned()), ..paused() };
    let stack = stack_with(options).await;
    // More than a page of the sweep, less than one, and nothing but the beginning.
    let mut heads = played(&stack, &[120, 7, 0]).await;
    stack.shutdown().await.expect("stops");

    let stack = a_day_later(data.path()).await;
    // These the stream still delivers.
    heads.extend(played(&stack, &[3]).await);
    stack.settled(DEADLINE).await.expect("settles");
    let before: usize = published(&stack).await.expect("a stream").values().map(Vec::len).sum();
    assert!((4..=5).contains(&before), "the stream has kept its last record at most: {before}");

    let lost: u64 = heads.values().sum::<u64>() - 4;
    let report = sweep(&stack, everybody()).await;
    // The four of the new player came by themselves; of the others, none.
    assert_eq!(report["swept"], lost, "{report}");
    assert_eq!([&report["pending"], &report["failed"]], [&json!(0), &json!(0)]);
    stack.settled(DEADLINE).await.expect("settles");
    let events = published(&stack).await.expect("a stream");
    assert_eq!(events.len(), heads.len());
    for (player, head) in &heads {
        let all: Vec<u64> = (1..=*head).collect();
        let mut seqs = first_of_each(&events[player]);
        // Unless the one that came by itself came first.
        if seqs[0] == *head && *head > 1 {
            seqs.rotate_left(1);
        }
        assert_eq!(seqs, all, "{player}");
    }
    assert!(marked(&stack, &heads).await);
    let again = sweep(&stack, everybody()).await;
    assert_eq!([&again["swept"], &again["players"]], [&json!(0), &report["players"]]);
}

#[tokio::test]
async fn what_comes_after_a_gap_does_not_hide_it() {
    let data = tempfile::tempdir().expect("a directory");
    let options = Options { data: Some(data.path().to_owned()), ..paused() };
    let stack = stack_with(options).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    player.spin(1, "lost").send().await.ok();
    // Theirs is the last record.
    played(&stack, &[0]).await;
    stack.shutdown().await.expect("stops");

    let stack = a_day_later(data.path()).await;
    let again = Player { api: Api::new(&stack.base_url), ..player }.log_in().await;
    again.spin(1, "kept").send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    let id: PlayerId = again.id.parse().expect("an id");
    let came = published(&stack).await.expect("a stream").remove(&id).expect("the new ones");
    let head = *came.last().expect("the round");
    assert!(came.iter().copied().eq(3..=head), "{came:?}");
    // From the gap to the end, so that the mark gets there.
    let report = sweep(&stack, everybody()).await;
    assert_eq!([&report["swept"], &report["pending"]], [&json!(head + 1), &json!(0)], "{report}");
    again.spin(1, "after-the-sweep").send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    let events = published(&stack).await.expect("a stream").remove(&id).expect("events");
    let mut all = first_of_each(&events);
    all.sort_unstable();
    assert!(all.into_iter().eq(1..=head + 1), "{events:?}");
    assert!(marked(&stack, &[(id, head + 1)].into()).await);
}

#[tokio::test]
async fn what_the_stream_may_still_deliver_is_counted_and_left_to_it() {
    let stack = stack_with(paused()).await;
    let heads = played(&stack, &[4, 60]).await;
    let all = heads.values().sum::<u64>();
    let report = sweep(&stack, everybody()).await;
    assert_eq!([&report["pending"], &report["swept"]], [&json!(all), &json!(0)]);
    assert!(published(&stack).await.expect("a stream").is_empty());

    // An operator who knows better says so. What cannot be read does not stop it.
    let (&poor, _) = heads.first_key_value().expect("a player");
    let table = Table::of(&stack);
    let entries = table.skip(poor, 2).await;
    table.put(vec![poisoned(&entries[0]), entries[1].clone()]).await;
    let order = json!({ "everybody": true, "after_seconds": 0 });
    assert_eq!(sweep(&stack, order).await["swept"], all + 2);
    let events = published(&stack).await.expect("a stream");
    let head = heads[&poor] + 2;
    let unreadable = head - 1;
    assert!(events[&poor].iter().copied().eq((1..=head).filter(|&seq| seq != unreadable)));
    let sqs = aws_sdk_sqs::Client::new(&stack.engine().sdk_config());
    let outbox = &stack.spec().functions["OutboxFunction"];
    let aside = sqs.receive_message().queue_url(&outbox.env["FAILURE_QUEUE_URL"]).send().await;
    let aside = aside.expect("answers").messages.expect("it is set aside");
    let body: Value = serde_json::from_str(aside[0].body().expect("a body")).expect("JSON");
    assert_eq!(body["record"]["dynamodb"]["Keys"]["sk"], entries[0]["sk"]);
}

#[tokio::test]
async fn within_sixteen_minutes_everybody_is_looked_at_once() {
    let hands = Hands::at("2026-12-01T12:00:00Z");
    let stack = stack_with(hands.options()).await;
    played(&stack, &[0; 20]).await;
    let everyone = sweep(&stack, everybody()).await["players"].as_u64().expect("a number");
    assert!(everyone >= 20);
    let mut seen = 0;
    for minute in 0..16 {
        hands.set(&format!("2026-12-01T12:{minute:02}:59Z"));
        let report = stack.run_now("outbox-sweep").await.expect("the sweep runs");
        seen += report["players"].as_u64().expect("a number");
    }
    assert_eq!(seen, everyone);
}
