use std::{io::Write as _, time::Duration};

use runtime::payments::{Provider as _, Standing};

use crate::support::{World, order, standings};

#[tokio::test]
async fn the_book_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::kept_in(directory.path()).await;
    let paid = world.charge("tok_ok").await;
    world.advance().await;
    let (book, notices) = (world.provider.book(), world.provider.notices());
    world.provider.shutdown().await;

    let world = World::kept_in(directory.path()).await;
    assert_eq!(world.provider.book(), book);
    assert_eq!(world.provider.notices(), notices);
    assert_eq!(world.charge("tok_declined").await, paid, "it is the first payment still");
    world.advance().await;
    assert!(world.webhook.came().is_empty(), "what was acknowledged is not told again");
}

#[tokio::test]
async fn what_was_still_to_be_done_is_done_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::kept_in(directory.path()).await;
    world.charge("tok_pending_ok").await;
    world.provider.shutdown().await;

    let world = World::kept_in(directory.path()).await;
    world.webhook.answer(503);
    world.provider.advance(Duration::from_millis(100)).await;
    assert_eq!(standings(&world.told().await), ["pending"]);
    world.provider.shutdown().await;

    let world = World::kept_in(directory.path()).await;
    world.advance().await;
    assert_eq!(standings(&world.told().await), ["pending", "succeeded"]);
    let found = world.payments.look(order()).await.unwrap().unwrap();
    assert_eq!(found.standing, Standing::Succeeded);
}

#[tokio::test]
async fn a_reference_that_was_canceled_before_it_came_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::kept_in(directory.path()).await;
    world.payments.cancel(order()).await.unwrap();
    world.provider.shutdown().await;

    let world = World::kept_in(directory.path()).await;
    assert_eq!(world.charge("tok_ok").await.standing, Standing::Canceled);
}

#[tokio::test]
async fn half_a_line_was_told_to_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::kept_in(directory.path()).await;
    let paid = world.charge("tok_ok").await;
    world.provider.shutdown().await;
    let path = directory.path().join("book.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"record":"moved","at":"20"#).unwrap();
    drop(file);

    for _ in 0..2 {
        let world = World::kept_in(directory.path()).await;
        assert_eq!(world.charge("tok_ok").await, paid);
        world.advance().await;
        world.provider.shutdown().await;
    }
}

#[tokio::test]
async fn keeps_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::kept_in(directory.path()).await;
    world.charge("pm_hunter2").await;
    world.advance().await;
    let book = std::fs::read_to_string(directory.path().join("book.jsonl")).unwrap();
    assert!(book.contains("invalid_token") && !book.contains("hunter2"), "{book}");
}
