//! `EventPublishEnabled=false`: nothing is published, and nothing is lost.

use std::path::Path;

use devstack::{Options, Stack};
use store::Subject;
use tests::{Api, DEADLINE, Player, stack_with};

async fn start(data: &Path, publishes: bool) -> Stack {
    let parameters = [("EventPublishEnabled".to_owned(), publishes.to_string())].into();
    stack_with(Options { data: Some(data.to_owned()), parameters, ..Options::default() }).await
}

/// The entry up to which the statistics were told, by the event stream.
async fn told(stack: &Stack, player: &Player) -> u64 {
    let subject = Subject::system(player.id.parse().expect("an id"));
    stack.store("test").open(subject).await.expect("opens").stored_seq
}

#[tokio::test]
async fn what_happened_while_publishing_was_paused_is_published_afterwards() {
    const ROUNDS: u64 = 150;
    let data = tempfile::tempdir().expect("a directory");
    let stack = start(data.path(), false).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for number in 1..=ROUNDS {
        player.spin(1, &format!("spin-{number}")).send().await.ok();
    }
    assert_eq!(told(&stack, &player).await, 0);
    // Who reads folds the journal, and misses nothing.
    assert_eq!(player.api.get("/api/users/stats").await.ok()["total_games_played"], ROUNDS);
    stack.shutdown().await.expect("stops");

    // More than one batch of the trigger, in the order of the journal.
    let stack = start(data.path(), true).await;
    stack.settled(DEADLINE).await.expect("everything arrives");
    assert_eq!(told(&stack, &player).await, 1 + ROUNDS);
}
