//! One key, or one day, or one balance, wanted by many at once.

use reqwest::Method;
use tests::{Api, Player, books, stack};

use crate::support::{at_once, different, of_kind};

#[tokio::test(flavor = "multi_thread")]
async fn of_different_requests_with_one_key_one_wins() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;

    let bet = |number: usize| i64::try_from(number).expect("small") + 1;
    let answers = at_once(20, |number| player.spin(bet(number), "one-key")).await;

    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:#?}");
    assert!(!won[0].is_replayed());
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.is_problem(409, "idempotency_key_reused");
    }
    let journal = books(&stack, &player).await;
    assert_eq!((journal.len(), of_kind(&journal, "round_settled")), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_for_a_spin_and_a_purchase_is_one_of_them() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;

    let answers = at_once(10, |number| match number % 2 {
        0 => player.spin(1, "one-key"),
        _ => player.buy("neon_frame", 1, "one-key"),
    })
    .await;

    let (won, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), refused.len()), (5, 5), "{answers:#?}");
    refused.iter().for_each(|answer| drop(answer.is_problem(409, "idempotency_key_reused")));
    assert_eq!(books(&stack, &player).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_claims_at_once_pay_once_and_get_one_answer() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;

    // With keys of their own: the day is the key.
    let claim = |number: usize| {
        player.api.call(Method::POST, "/api/streak/claim").key(&format!("claim-{number}"))
    };
    let answers = at_once(2, claim).await;

    answers.iter().for_each(|answer| drop(answer.ok()));
    assert_eq!(different(&answers), 1);
    assert_eq!(answers.iter().filter(|answer| answer.is_replayed()).count(), 1);
    let journal = books(&stack, &player).await;
    assert_eq!((journal.len(), of_kind(&journal, "streak_claimed")), (2, 1));
    assert_eq!(player.gold().await, 2123);
}

#[tokio::test(flavor = "multi_thread")]
async fn gold_for_exactly_one_buys_exactly_one() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    // 1,000 − 300 − 300: a third frame is affordable, a fourth is not.
    for number in 1..=2 {
        let bought = player.buy("neon_frame", 1, &format!("before-{number}")).send().await.ok();
        assert_eq!(bought["status"], "success");
    }

    let answers = at_once(20, |number| player.buy("neon_frame", 1, &format!("buy-{number}"))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:#?}");
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.is_problem(422, "insufficient_funds");
    }
    let journal = books(&stack, &player).await;
    assert_eq!(of_kind(&journal, "item_purchased"), 3);
    assert_eq!(player.gold().await, 100);
}
