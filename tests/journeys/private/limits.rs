//! How fast is too fast.

use devstack::Stack;
use tests::{Answer, Api, Hands, Player, stack_with};

/// Rounds that may be played at once, and as many again in four seconds.
const BURST: usize = 200;

/// Asserts that a call came too fast, and returns after how many seconds it may come
/// again.
#[track_caller]
fn retry_after(answer: &Answer) -> u32 {
    answer.is_problem(429, "rate_limited");
    answer.header("retry-after").parse().expect("seconds")
}

async fn played_out(stack: &Stack) -> Player {
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for number in 0..BURST {
        player.spin(1, &format!("spin-{number}")).send().await.ok();
    }
    player
}

#[tokio::test]
async fn rounds_beyond_a_burst_wait_and_cost_nothing_but_a_read() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = played_out(&stack).await;
    let before = (player.me().await, stack.engine().meter().snapshot());

    let refused = player.spin(1, "one-more").send().await;
    assert_eq!(retry_after(&refused), 1);

    let used = stack.engine().meter().since(&before.1).of("SlotSpinFunction");
    assert_eq!(used.count("dynamodb:BatchGetItem"), 1, "{used:?}");
    assert_eq!((used.calls.len(), used.units.write), (1, 0.0), "{used:?}");
    assert_eq!(player.me().await, before.0);

    // What was answered once is answered again, however fast.
    let again = player.spin(1, "spin-0").send().await;
    assert_eq!((again.status.as_u16(), again.is_replayed()), (200, true));
    // What is paced apart, and others, are not held up.
    player.claim().await.ok();
    player.buy("neon_frame", 1, "buy").send().await.ok();
    let other = Player::sign_up(&Api::new(&stack.base_url)).await;
    other.spin(1, "spin").send().await.ok();
}

#[tokio::test]
async fn after_the_seconds_that_an_answer_names_the_same_call_passes() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = played_out(&stack).await;
    assert_eq!(retry_after(&player.spin(1, "one-more").send().await), 1);
    // A fiftieth of a second is a round.
    hands.set("2026-12-01T09:00:00.019Z");
    assert_eq!(retry_after(&player.spin(1, "one-more").send().await), 1);
    hands.set("2026-12-01T09:00:00.020Z");
    let passed = player.spin(1, "one-more").send().await;
    assert!(!passed.is_replayed());
    passed.ok();
    retry_after(&player.spin(1, "and-another").send().await);
    hands.set("2026-12-01T09:00:01Z");
    for number in 0..49 {
        player.spin(1, &format!("later-{number}")).send().await.ok();
    }
    retry_after(&player.spin(1, "and-another").send().await);
}

#[tokio::test]
async fn an_account_changes_sixty_times_a_minute() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let mut player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for _ in 0..60 {
        player = player.with_tokens(&player.refresh().send().await.ok());
    }
    assert_eq!(retry_after(&player.refresh().send().await), 1);
    // Leaving is never too fast, nor is what was refused used up.
    hands.set("2026-12-01T09:00:01Z");
    let player = player.with_tokens(&player.refresh().send().await.ok());
    retry_after(&player.refresh().send().await);
    player.log_out().send().await.ok();
}
