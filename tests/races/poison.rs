//! A record that no retry can make readable.

use devstack::Options;
use serde_json::json;
use tests::{DEADLINE, Player, Table, stack_with};

#[tokio::test]
async fn a_poison_record_is_set_aside_whole_and_holds_up_nobody() {
    let at_once = [("OutboxLongestWaitSeconds".to_owned(), "0".to_owned())].into();
    let stack = stack_with(Options { parameters: at_once, ..Options::default() }).await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;
    let poison = json!({
        "pk": { "S": "PLAYER#nobody" }, "sk": { "S": "ENTRY#1" },
        "entity": { "S": "entry" }, "poison": { "S": "kept word for word" },
    });
    player.spin(1, "before").send().await.ok();
    Table::of(&stack).put(vec![poison]).await;
    player.spin(1, "after").send().await.ok();
    stack.settled(DEADLINE).await.expect("nothing is held up");

    let store = stack.store("test");
    let subject = store::Subject::system(player.id.parse().expect("an id"));
    let stored = store.open(subject).await.expect("opens");
    assert_eq!(stored.stored_seq, 3, "the statistics know of both rounds");
    let letters = store.dead_letters(None, 10).await.expect("answers").letters;
    assert_eq!(letters.len(), 1);
    let payload = &letters[0].payload;
    assert!(payload.contains("kept word for word") && payload.contains("reason"), "{payload}");
}
