//! A table that fails: before the commit, after it, once, thrice, always.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use devstack::{
    Stack,
    engine::{Call, Fault, Verdict},
};
use futures::future::join_all;
use reqwest::Method;
use tests::{Answer, Api, Player, books, fresh_name, signup_body, stack};
use tokio::sync::Notify;

use crate::support::{is_clear_503, of_kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// The call has no effect.
    Before,
    /// It has; only the answer is lost.
    After,
}

/// The first `times` calls of `operation` by each caller fail.
#[derive(Debug)]
struct Failing {
    operation: &'static str,
    when: When,
    verdict: Verdict,
    times: u32,
    seen: Mutex<BTreeMap<String, u32>>,
}

impl Failing {
    fn verdict(&self, when: When, call: &Call<'_>) -> Verdict {
        if when != self.when || call.operation != self.operation || call.caller == "test" {
            return Verdict::Pass;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(call.caller.to_owned()).or_default();
        *seen += 1;
        if *seen <= self.times { self.verdict } else { Verdict::Pass }
    }
}

impl Fault for Failing {
    fn before(&self, call: &Call<'_>) -> Verdict {
        self.verdict(When::Before, call)
    }

    fn after(&self, call: &Call<'_>, _status: u16) -> Verdict {
        self.verdict(When::After, call)
    }
}

fn fail(stack: &Stack, operation: &'static str, when: When, verdict: Verdict, times: u32) {
    let seen = Mutex::default();
    stack.engine().set_fault(Some(Arc::new(Failing { operation, when, verdict, times, seen })));
}

/// A command that changes a player, with one key for ever.
#[derive(Clone, Copy, Debug)]
enum Command {
    Spin,
    Buy,
    Claim,
    SignUp,
}

const COMMANDS: [Command; 4] = [Command::Spin, Command::Buy, Command::Claim, Command::SignUp];

impl Command {
    const fn kind(self) -> &'static str {
        match self {
            Self::Spin => "round_settled",
            Self::Buy => "item_purchased",
            Self::Claim => "streak_claimed",
            Self::SignUp => "player_signed_up",
        }
    }
}

/// One command of one player.
struct Attempt {
    command: Command,
    player: Player,
}

impl Attempt {
    /// The player exists, unless the command is to make them.
    async fn prepare(api: &Api, command: Command) -> Self {
        let player = match command {
            Command::SignUp => Player {
                api: api.clone(),
                id: String::new(),
                site_id: fresh_name(),
                nickname: fresh_name().chars().rev().take(16).collect(),
                refresh_token: String::new(),
            },
            _ => Player::sign_up(api).await,
        };
        Self { command, player }
    }

    async fn send(&self) -> Answer {
        let Self { command, player } = self;
        let call = match command {
            Command::Spin => player.spin(10, "key"),
            Command::Buy => player.buy("neon_frame", 1, "key"),
            Command::Claim => player.api.call(Method::POST, "/api/streak/claim"),
            Command::SignUp => {
                let body = signup_body(&player.site_id, &player.nickname);
                player.api.post("/api/auth/signup", &body).key(&player.site_id)
            }
        };
        call.send().await
    }

    /// Exactly one entry of the command's kind, and the books balance.
    async fn happened_once(&self, stack: &Stack, answer: &Answer) {
        let mut player = self.player.clone();
        if player.id.is_empty() {
            let body = answer.ok();
            player.id = body["user"]["id"].as_str().unwrap_or_default().to_owned();
            player.api = player.api.with_token(body["access_token"].as_str().unwrap_or_default());
        }
        let journal = books(stack, &player).await;
        assert_eq!(of_kind(&journal, self.command.kind()), 1, "{journal:#?}");
    }
}

/// Every command under a fault at its transaction: the caller sees a success or
/// a clear 503, the same key completes it, and it happens once.
async fn every_command_survives(when: When, verdict: Verdict) {
    let stack = stack().await;
    let api = Api::new(&stack.base_url);
    for times in [1, 3, u32::MAX] {
        let prepared = COMMANDS.map(|command| Attempt::prepare(&api, command));
        let attempts = join_all(prepared).await;
        fail(&stack, "TransactWriteItems", when, verdict, times);
        let first = join_all(attempts.iter().map(Attempt::send)).await;
        stack.engine().set_fault(None);
        for (attempt, first) in attempts.iter().zip(first) {
            let what = format!("{:?} with {verdict:?} {when:?}, {times} times", attempt.command);
            // What fails for ever before its effect cannot succeed; anything
            // else is found out, or done, by this very request.
            let hopeless = when == When::Before && times == u32::MAX;
            if hopeless {
                is_clear_503(&first);
            } else {
                assert!(first.status.is_success(), "{what}: {} {}", first.status, first.text);
            }
            let second = attempt.send().await;
            assert!(second.status.is_success(), "{what}: {} {}", second.status, second.text);
            assert_eq!(second.is_replayed(), !hopeless, "{what}");
            let third = attempt.send().await;
            assert!(third.is_replayed(), "{what}");
            assert_eq!((third.status, &third.text), (second.status, &second.text), "{what}");
            if !hopeless {
                assert_eq!((first.status, &first.text), (second.status, &second.text), "{what}");
            }
            attempt.happened_once(&stack, &third).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_a_timeout_before_the_commit() {
    every_command_survives(When::Before, Verdict::Timeout).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_a_timeout_after_the_commit() {
    every_command_survives(When::After, Verdict::Timeout).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_a_lost_connection_before_the_commit() {
    every_command_survives(When::Before, Verdict::Disconnect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_a_lost_connection_after_the_commit() {
    every_command_survives(When::After, Verdict::Disconnect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_an_internal_error_before_the_commit() {
    every_command_survives(When::Before, Verdict::InternalError).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_an_internal_error_after_the_commit() {
    every_command_survives(When::After, Verdict::InternalError).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_throttling() {
    every_command_survives(When::Before, Verdict::Throttle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_survives_transaction_conflicts() {
    every_command_survives(When::Before, Verdict::TransactionConflict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_read_is_a_clear_503_and_changes_nothing() {
    let stack = stack().await;
    let api = Api::new(&stack.base_url);
    let attempts = join_all(COMMANDS.map(|command| Attempt::prepare(&api, command))).await;
    for verdict in [Verdict::Disconnect, Verdict::Throttle, Verdict::InternalError] {
        fail(&stack, "BatchGetItem", When::Before, verdict, u32::MAX);
        for answer in join_all(attempts.iter().map(Attempt::send)).await {
            is_clear_503(&answer);
        }
        fail(&stack, "GetItem", When::Before, verdict, u32::MAX);
        for path in ["/api/auth/me", "/api/users/balance", "/api/games/fairness"] {
            is_clear_503(&attempts[0].player.api.get(path).await);
        }
        fail(&stack, "Query", When::Before, verdict, u32::MAX);
        is_clear_503(&attempts[0].player.api.get("/api/users/stats").await);
    }
    stack.engine().set_fault(None);
    for attempt in &attempts {
        let answer = attempt.send().await;
        assert!(answer.status.is_success() && !answer.is_replayed(), "{}", answer.text);
        attempt.happened_once(&stack, &answer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_hangs_is_a_clear_503_before_the_function_runs_out_of_time() {
    let stack = stack().await;
    let attempt = Attempt::prepare(&Api::new(&stack.base_url), Command::Spin).await;
    // Longer than an attempt of the SDK may take.
    let hanging = Verdict::Delay(Duration::from_secs(5));
    fail(&stack, "BatchGetItem", When::Before, hanging, u32::MAX);
    is_clear_503(&attempt.send().await);
    fail(&stack, "TransactWriteItems", When::Before, hanging, u32::MAX);
    is_clear_503(&attempt.send().await);
    stack.engine().set_fault(None);
    let answer = attempt.send().await;
    attempt.happened_once(&stack, &answer).await;
}

/// Holds the first transaction back and says so.
#[derive(Debug, Default)]
struct Held {
    reached: Notify,
    used: Mutex<bool>,
}

impl Fault for Held {
    fn before(&self, call: &Call<'_>) -> Verdict {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if call.operation != "TransactWriteItems" || std::mem::replace(&mut *used, true) {
            return Verdict::Pass;
        }
        self.reached.notify_one();
        Verdict::Delay(Duration::from_millis(800))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_a_stale_state_is_made_again() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let held = Arc::new(Held::default());
    stack.engine().set_fault(Some(held.clone()));
    let before = stack.engine().meter().snapshot();

    let slow = tokio::spawn({
        let player = player.clone();
        async move { player.spin(1, "slow").send().await.ok() }
    });
    held.reached.notified().await;
    // The slow one has loaded and decided; now its state grows old.
    let quick = player.spin(1, "quick").send().await.ok();
    let slow = slow.await.expect("no panic");

    assert_eq!((&quick["fairness"]["nonce"], &slow["fairness"]["nonce"]), (&2.into(), &3.into()));
    let used = stack.engine().meter().since(&before).of("SlotSpinFunction");
    assert_eq!(used.count("dynamodb:TransactWriteItems"), 3, "the slow one decided twice");
    assert_eq!(books(&stack, &player).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_player_took_meanwhile_is_not_taken() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let rename = || {
        let body = r#"{"nickname":"TheOne"}"#;
        player.api.call(Method::PUT, "/api/auth/profile").body(body.to_owned()).send()
    };
    let held = Arc::new(Held::default());
    stack.engine().set_fault(Some(held.clone()));

    // The first has decided; before it commits, the second one does.
    let second = async {
        held.reached.notified().await;
        rename().await
    };
    let (first, second) = tokio::join!(rename(), second);

    assert_eq!(
        (&first.ok()["nickname"], &second.ok()["nickname"]),
        (&"TheOne".into(), &"TheOne".into())
    );
    assert_eq!(of_kind(&books(&stack, &player).await, "player_renamed"), 1);
}
