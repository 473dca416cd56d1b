//! A record that no retry can make readable.

use devstack::engine::queue_url;
use serde_json::json;
use tests::{DEADLINE, Player, stack};

#[tokio::test]
async fn a_poison_record_is_set_aside_whole_and_holds_up_nobody() {
    let stack = stack().await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;
    let table = stack.spec().tables[0].name.clone();
    let poison = json!({ "TableName": table, "Item": {
        "pk": { "S": "PLAYER#nobody" }, "sk": { "S": "ENTRY#1" },
        "entity": { "S": "entry" }, "poison": { "S": "kept word for word" },
    }});
    let poison = serde_json::from_value(poison).expect("a request");
    player.spin(1, "before").send().await.ok();
    stack.engine().with_database(move |database| database.put_item(poison)).await.expect("is put");
    player.spin(1, "after").send().await.ok();
    stack.settled(DEADLINE).await.expect("nothing is held up");

    let stored = stack
        .store("test")
        .open(store::Subject::system(player.id.parse().expect("an id")))
        .await
        .expect("opens");
    assert_eq!(stored.stored_seq, 3, "the statistics know of both rounds");
    let sqs = aws_sdk_sqs::Client::new(&stack.engine().sdk_config());
    let queue = stack.spec().queues.iter().find(|queue| queue.logical_id == "OutboxFailureQueue");
    let set_aside = sqs
        .receive_message()
        .queue_url(queue_url(&queue.expect("the failure queue").name))
        .max_number_of_messages(10)
        .send()
        .await
        .expect("answers")
        .messages
        .unwrap_or_default();
    assert_eq!(set_aside.len(), 1);
    let body = set_aside[0].body().unwrap_or_default();
    assert!(body.contains("kept word for word") && body.contains("reason"), "{body}");
}
