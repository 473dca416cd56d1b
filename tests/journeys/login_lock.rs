//! Guessing passwords: how often, and what the answers give away.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use devstack::engine::{Call, Fault, Verdict};
use futures::future::join_all;
use runtime::{Clock, metrics::Stopwatch};
use tests::{
    Answer, Api, Hands, Maker, PASSWORD, Player, Target, fresh_name, login, stack, stack_with,
};

const WRONG: &str = "wrong-horse-9";
/// Guesses that are answered.
const FREE: usize = 5;

fn is_wrong(answer: &Answer) {
    answer.is_problem(401, "invalid_credentials");
}

/// Asserts that a login is locked for so many seconds.
#[track_caller]
fn is_locked(answer: &Answer, seconds: u32) {
    let problem = answer.is_problem(429, "login_locked");
    assert_eq!(problem["retry_after_minutes"], seconds.div_ceil(60));
    assert_eq!(answer.header("retry-after"), seconds.to_string());
}

/// Asserts that a login only waits until those that are under way have ended.
#[track_caller]
fn comes_too_soon(answer: &Answer) {
    answer.is_problem(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn the_sixth_guess_at_an_account_is_not_looked_at_wherever_it_comes_from() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for _ in 0..FREE {
        is_wrong(&player.elsewhere().try_password(WRONG).send().await);
    }
    is_locked(&player.elsewhere().try_password(WRONG).send().await, 600);
    is_locked(&player.elsewhere().try_password(PASSWORD).send().await, 600);
    let in_capitals = login(&player.api.somebody_else(), &player.site_id.to_uppercase(), PASSWORD);
    is_locked(&in_capitals.send().await, 600);
    // Who is signed in stays so.
    player.me().await;
    player.refresh().send().await.ok();
}

#[tokio::test]
async fn the_sixth_guess_from_an_address_is_not_looked_at_whoever_it_is_about() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let address = Api::new(&stack.base_url);
    for number in 0..FREE {
        let victim = Player::sign_up(&address).await;
        let name = if number % 2 == 0 { victim.site_id } else { fresh_name() };
        is_wrong(&login(&address, &name, WRONG).send().await);
    }
    is_locked(&login(&address, &player.site_id, PASSWORD).send().await, 600);
    // The account itself is not locked, nor did that attempt count against it.
    for _ in 0..FREE {
        is_wrong(&player.elsewhere().try_password(WRONG).send().await);
    }
}

#[tokio::test]
async fn a_lock_ends_when_the_first_of_its_guesses_is_ten_minutes_old() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for minute in 0..FREE {
        hands.set(&format!("2026-12-01T09:0{minute}:00Z"));
        is_wrong(&player.try_password(WRONG).send().await);
    }
    is_locked(&player.try_password(PASSWORD).send().await, 360);
    hands.set("2026-12-01T09:09:59Z");
    is_locked(&player.try_password(PASSWORD).send().await, 1);
    hands.set("2026-12-01T09:10:00Z");
    is_wrong(&player.try_password(WRONG).send().await);
    is_locked(&player.try_password(PASSWORD).send().await, 60);
    hands.set("2026-12-01T09:11:00Z");
    player.try_password(PASSWORD).send().await.ok();
}

#[tokio::test]
async fn the_right_password_in_time_clears_what_was_guessed() {
    let target = Target::start().await;
    let player = target.player().await;
    for _ in 0..3 {
        for _ in 0..FREE - 1 {
            is_wrong(&player.try_password(WRONG).send().await);
        }
        player.log_in().await;
    }
}

#[tokio::test]
async fn names_that_nobody_has_lock_as_others_do() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let known = Player::sign_up(&Api::new(&stack.base_url)).await.site_id;
    let unknown = fresh_name();
    for number in 0..FREE + 2 {
        let ask = async |name: &str| {
            let call = login(&Api::new(&stack.base_url), name, WRONG);
            call.header("x-request-id", "same").send().await
        };
        let (one, other) = (ask(&known).await, ask(&unknown).await);
        assert_eq!((one.status, &one.text), (other.status, &other.text), "{number}");
        assert_eq!(one.header("retry-after"), other.header("retry-after"));
        assert_eq!(one.status, if number < FREE { 401 } else { 429 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_guesses_at_once_five_are_looked_at() {
    let target = Target::start().await;
    let player = target.player().await;
    let guesses = (0..50).map(|_| {
        let guesser = player.elsewhere();
        async move { guesser.try_password(WRONG).send().await }
    });
    let answers = join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((1..=FREE).contains(&looked_at), "{looked_at}");
    for answer in &answers {
        match answer.json()["code"].as_str() {
            Some("invalid_credentials") => is_wrong(answer),
            // All five were known to be wrong by then.
            Some("login_locked") => assert_eq!((answer.status.as_u16(), looked_at), (429, FREE)),
            _ => comes_too_soon(answer),
        }
    }
    // However many of those were looked at, no more are than five in all.
    for _ in looked_at..FREE {
        is_wrong(&player.elsewhere().try_password(WRONG).send().await);
    }
    let late = player.elsewhere().try_password(PASSWORD).send().await;
    late.is_problem(429, "login_locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_many_times_at_once_is_not_locked_out() {
    let target = Target::start().await;
    let player = target.player().await;
    let answers = join_all((0..12).map(|_| player.try_password(PASSWORD).send())).await;
    let (let_in, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert!(!let_in.is_empty(), "{others:#?}");
    others.into_iter().for_each(comes_too_soon);
    // None of them counts, not even one that was refused halfway: this needs all the room.
    for _ in 0..FREE - 1 {
        is_wrong(&player.try_password(WRONG).send().await);
    }
    player.log_in().await;
}

/// A table that takes the two writes that count a login, and none after them.
#[derive(Debug, Default)]
struct TakesTwo(AtomicU32);

impl Fault for TakesTwo {
    fn before(&self, call: &Call<'_>) -> Verdict {
        let writes = (call.caller, call.operation) == ("AuthLoginFunction", "PutItem");
        if writes && self.0.fetch_add(1, Ordering::SeqCst) >= 2 {
            Verdict::Disconnect
        } else {
            Verdict::Pass
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_one_though_that_cannot_be_written() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for _ in 0..FREE - 1 {
        is_wrong(&player.try_password(WRONG).send().await);
    }
    stack.engine().set_fault(Some(Arc::new(TakesTwo::default())));
    is_wrong(&player.try_password(WRONG).send().await);
    stack.engine().set_fault(None);
    // It counts: nobody knows that it has failed, until it cannot be under way any more.
    comes_too_soon(&player.try_password(PASSWORD).send().await);
    hands.set("2026-12-01T09:00:29Z");
    comes_too_soon(&player.try_password(PASSWORD).send().await);
    hands.set("2026-12-01T09:00:30Z");
    is_locked(&player.try_password(PASSWORD).send().await, 570);
}

#[tokio::test]
async fn an_address_logs_in_twenty_times_in_five_minutes() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for _ in 0..20 {
        player.log_in().await;
    }
    let refused = player.try_password(PASSWORD).send().await;
    refused.is_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "15");
    player.elsewhere().log_in().await;
    hands.set("2026-12-01T09:00:14Z");
    let refused = player.try_password(PASSWORD).send().await;
    assert_eq!(refused.header("retry-after"), "1");
    hands.set("2026-12-01T09:00:15Z");
    player.log_in().await;
    player.try_password(PASSWORD).send().await.is_problem(429, "rate_limited");
    hands.set("2026-12-01T09:05:15Z");
    for _ in 0..20 {
        player.log_in().await;
    }
}

#[tokio::test]
async fn limits_are_what_the_configuration_says() {
    let mut options = Hands::at("2026-12-01T09:00:00Z").options();
    options.parameters.insert("LoginsPerAddress".to_owned(), "3".to_owned());
    options.parameters.insert("LoginFailuresPerAddress".to_owned(), "2".to_owned());
    let stack = stack_with(options).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for _ in 0..3 {
        player.log_in().await;
    }
    let refused = player.try_password(PASSWORD).send().await;
    refused.is_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "100");
    let address = Api::new(&stack.base_url);
    for _ in 0..2 {
        is_wrong(&login(&address, &fresh_name(), WRONG).send().await);
    }
    is_locked(&login(&address, &fresh_name(), WRONG).send().await, 600);
}

/// Milliseconds that wrong guesses at known and at unknown names took.
#[derive(Default)]
struct Times {
    known: Vec<f64>,
    unknown: Vec<f64>,
}

impl Times {
    /// Guesses in pairs, one of each kind in turns of who is first, each pair from an
    /// address of its own.
    async fn measure(api: &Api, players: &[Player], guesses_each: usize) -> Self {
        let mut times = Self::default();
        for round in 0..guesses_each {
            for player in players {
                let address = api.somebody_else();
                address.get("/health").await.ok();
                let unknown = fresh_name();
                let guess = async |name: &str, into: &mut Vec<f64>| {
                    let watch = Stopwatch::start();
                    is_wrong(&login(&address, name, WRONG).send().await);
                    into.push(watch.elapsed_ms());
                };
                if round % 2 == 0 {
                    guess(&player.site_id, &mut times.known).await;
                    guess(&unknown, &mut times.unknown).await;
                } else {
                    guess(&unknown, &mut times.unknown).await;
                    guess(&player.site_id, &mut times.known).await;
                }
            }
        }
        times
    }

    /// Whether nobody could tell the two apart.
    fn are_alike(&self) -> bool {
        let (known, unknown) = (median(&self.known), median(&self.unknown));
        let z = self.z();
        println!(
            "{} guesses each: median {known:.1} ms known, {unknown:.1} ms unknown, z = {z:.2}",
            self.known.len()
        );
        (known / unknown - 1.0).abs() < 0.15 && z.abs() < 4.0
    }

    /// Mann and Whitney's U of the known, in standard deviations from what chance
    /// alone would make it.
    fn z(&self) -> f64 {
        let (n, m) = (count(&self.known), count(&self.unknown));
        let wins = |time: &f64| count_of(self.unknown.iter().filter(|other| *other < time).count());
        let u: f64 = self.known.iter().map(wins).sum();
        (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn count(times: &[f64]) -> f64 {
    count_of(times.len())
}

fn count_of(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a few"))
}

#[tokio::test]
async fn how_long_an_answer_takes_does_not_tell_who_has_an_account() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let mut players = Vec::new();
    for _ in 0..64 {
        players.push(maker.player(domain::Role::Standard).await);
    }
    let api = Api::new(&stack.base_url);
    // The first ones warm everything up.
    Times::measure(&api, &players[..4], 1).await;
    if Times::measure(&api, &players, 1).await.are_alike() {
        return;
    }
    // Perhaps the machine was busy with something else: once more, with more.
    assert!(Times::measure(&api, &players, 3).await.are_alike());
}

#[tokio::test]
async fn a_guess_that_is_refused_costs_one_read() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    for _ in 0..FREE {
        is_wrong(&player.try_password(WRONG).send().await);
    }
    let before = stack.engine().meter().snapshot();
    is_locked(&player.try_password(PASSWORD).send().await, 600);
    let used = stack.engine().meter().since(&before).of("AuthLoginFunction");
    assert_eq!(used.count("dynamodb:BatchGetItem"), 1, "{used:?}");
    assert_eq!((used.calls.len(), used.units.write), (1, 0.0), "{used:?}");
    // It adds nothing to the lock, either.
    hands.set("2026-12-01T09:10:00Z");
    player.log_in().await;
}
