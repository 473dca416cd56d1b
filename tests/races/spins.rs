//! One player's spins, a hundred at a time.

use std::time::Duration;

use tests::{Player, books, stack};

use crate::support::{at_once, different, different_at, insist, of_kind};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_spins_with_one_key_are_one_round_and_one_answer() {
    let stack = stack().await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;

    let answers = at_once(100, |_| player.spin(10, "the-one-key")).await;

    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(different(&answers), 1, "byte for byte the same");
    assert_eq!(answers.iter().filter(|answer| answer.is_replayed()).count(), 99);
    let journal = books(&stack, &player).await;
    assert_eq!((journal.len(), of_kind(&journal, "round_settled")), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_spins_with_their_own_keys_are_a_hundred_rounds() {
    let stack = stack().await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;

    let first = at_once(100, |number| player.spin(10, &format!("spin-{number}"))).await;
    let again = first.iter().filter(|answer| answer.status == 503).count();
    // A 503 says: nothing is lost, come back with the same key.
    let spins = (0..100).map(|number| {
        let player = &player;
        insist(move || player.spin(10, &format!("spin-{number}")))
    });
    let answers = futures::future::join_all(spins).await;
    println!("{again} of 100 were asked to come back");

    for (one, answer) in first.iter().zip(&answers) {
        if one.status == 503 {
            continue;
        }
        assert_eq!((one.status.as_u16(), &one.text), (200, &answer.text));
        assert!(answer.is_replayed());
    }
    let journal = books(&stack, &player).await;
    assert_eq!((journal.len(), of_kind(&journal, "round_settled")), (101, 100));
    assert_eq!(different_at(&answers, "/fairness/nonce"), 100, "no nonce is used twice");
    assert_eq!(different_at(&answers, "/round_id"), 100);
    stack.settled(Duration::from_secs(20)).await.expect("everything is delivered");
    let stats = player.api.get("/api/users/stats").await.ok();
    assert_eq!(stats["total_games_played"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn spins_beside_each_other_never_spend_the_same_gold_twice() {
    let stack = stack().await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;

    // The whole balance, ten times: whoever comes after a loss is refused.
    let answers = at_once(10, |number| player.spin(1000, &format!("all-in-{number}"))).await;

    for answer in &answers {
        match answer.status.as_u16() {
            200 => {}
            422 => drop(answer.is_problem(422, "insufficient_funds")),
            _ => crate::support::is_clear_503(answer),
        }
    }
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let journal = books(&stack, &player).await;
    assert!(won >= 1);
    assert_eq!(of_kind(&journal, "round_settled"), won);
}
