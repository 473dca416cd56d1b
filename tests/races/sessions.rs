//! Sessions that are refreshed, ended and guarded by many at once.

use domain::Fact;
use futures::future::join_all;
use tests::{Answer, Api, PASSWORD, Player, books, stack};

use crate::support::{at_once, different, is_clear_503, of_kind};

const NEW: &str = "another-horse-9";

/// How many of the answers are successes; all others fit `refused`.
fn successes(answers: &[Answer], refused: impl Fn(&Answer)) -> usize {
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    bad.into_iter().for_each(refused);
    good.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_refreshes_with_one_token_at_most_one_succeeds_and_the_session_is_over() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;

    let answers = at_once(50, |_| player.refresh()).await;

    let succeeded = successes(&answers, |answer| match answer.status.as_u16() {
        401 => {
            let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
            assert!(["refresh_reused", "refresh_expired"].contains(&code.as_str()), "{code}");
        }
        _ => is_clear_503(answer),
    });
    assert!(succeeded <= 1, "{answers:#?}");
    assert!(answers.iter().any(|answer| answer.json()["code"] == "refresh_reused"));
    player.is_signed_out().await;
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        player.with_tokens(&answer.json()).is_signed_out().await;
    }
    let journal = books(&stack, &player.log_in().await).await;
    assert!(of_kind(&journal, "session_refreshed") <= 1, "{journal:#?}");
    assert_eq!(of_kind(&journal, "session_closed"), 1, "{journal:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_with_one_key_are_one_refresh_and_one_answer() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;

    let answers = at_once(50, |_| player.refresh().key("the-one-key")).await;

    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(different(&answers), 1, "byte for byte the same");
    assert_eq!(answers.iter().filter(|answer| answer.is_replayed()).count(), 49);
    let player = player.with_tokens(&answers[0].json());
    let journal = books(&stack, &player).await;
    assert_eq!((journal.len(), of_kind(&journal, "session_refreshed")), (2, 1));
    player.refresh().send().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_played_with_a_token_after_its_session_has_ended() {
    let stack = stack().await;
    for round in 0..10 {
        let player = Player::sign_up(&Api::new(&stack.base_url)).await;
        let spins = at_once(20, |number| player.spin(1, &format!("spin-{number}")));
        let logout = async {
            // Somewhere among them.
            for number in 0..round % 4 {
                player.spin(1, &format!("before-{number}")).send().await;
            }
            let answer = player.log_out().send().await;
            let after = at_once(5, |number| player.spin(1, &format!("after-{number}"))).await;
            (answer, after)
        };
        let (spins, (logout, after)) = tokio::join!(spins, logout);
        logout.ok();
        for answer in &after {
            answer.is_problem(401, "unauthenticated");
        }
        let played = successes(&spins, |answer| match answer.status.as_u16() {
            401 => drop(answer.is_problem(401, "unauthenticated")),
            _ => is_clear_503(answer),
        });
        // The journal has it in order: the session's end, and then no more rounds.
        let journal = books(&stack, &player.log_in().await).await;
        let end = journal.iter().position(|entry| matches!(entry.fact, Fact::SessionClosed { .. }));
        let end = end.expect("the session ended");
        assert_eq!(of_kind(&journal[end..], "round_settled"), 0, "{journal:#?}");
        println!("{played} of 20 rounds were played before the end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_that_the_old_password_opened_outlives_it() {
    let stack = stack().await;
    let mut lost = 0;
    for round in 0..8 {
        let player = Player::sign_up(&Api::new(&stack.base_url)).await;
        // As many as are looked at, each at a machine of its own.
        let logins = join_all((0..4).map(|_| {
            let machine = player.elsewhere();
            async move { machine.try_password(PASSWORD).send().await }
        }));
        let change = async {
            for number in 0..round % 4 {
                player.spin(1, &format!("before-{number}")).send().await.ok();
            }
            player.change_password(PASSWORD, NEW).send().await
        };
        let (logins, change) = tokio::join!(logins, change);
        change.ok();
        for login in &logins {
            match login.status.as_u16() {
                200 => player.with_tokens(&login.json()).is_signed_out().await,
                _ => {
                    login.is_problem(401, "invalid_credentials");
                    lost += 1;
                }
            }
        }
        player.me().await;
        let next = player.elsewhere().try_password(NEW).send().await;
        player.with_tokens(&next.ok()).me().await;
    }
    println!("{lost} of 32 logins came too late");
}
