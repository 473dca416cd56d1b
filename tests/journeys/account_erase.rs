//! `DELETE /api/auth/me`: the wish to be forgotten.

use devstack::Stack;
use domain::{Account, Credentials, Ctx, Entry, Rejection, Role, command::claim_streak};
use futures::future::join_all;
use reqwest::Method;
use runtime::{Clock, command::once_by_nature};
use serde_json::json;
use store::{Decision, Subject};
use tests::{
    Answer, Api, DEADLINE, Maker, PASSWORD, Player, Socket, Target, login, signup_body, stack,
};
use tokio::{runtime::Handle, task::block_in_place};

use crate::account::whole_table;

async fn erase(player: &Player) -> Answer {
    player.api.call(Method::DELETE, "/api/auth/me").send().await
}

/// The whole journal of somebody who can no longer ask for it.
async fn journal(stack: &Stack, player: &Player) -> Vec<Entry> {
    let id = player.id.parse().expect("an id");
    let journal = stack.store("test").entries_after(id, 0, 1000).await.expect("a journal");
    for (entry, seq) in journal.iter().zip(1..) {
        assert_eq!((entry.seq, entry.legs.sum()), (seq, 0), "{entry:?}");
    }
    journal
}

/// The gold of a player by their journal.
fn balance(journal: &[Entry]) -> i64 {
    journal.iter().map(|entry| entry.legs.of_player().units()).sum()
}

#[tokio::test]
async fn who_is_forgotten_is_nobody_any_more() {
    let target = Target::start().await;
    let (player, other) = (target.player().await, target.player().await);
    player.claim().await.ok();
    let elsewhere = player.elsewhere().log_in().await;
    let (url, ticket) = player.ticket().await;
    let gold = player.gold().await;
    assert_eq!(erase(&player).await.ok(), json!({ "erased": true, "burned_gold": gold }));

    for session in [&player, &elsewhere] {
        session.is_signed_out().await;
    }
    erase(&player).await.is_problem(401, "unauthenticated");
    assert_eq!(Socket::refused(&format!("{url}?ticket={ticket}")).await, Some(401));
    for name in [&player.site_id, &player.nickname] {
        let answer = login(&target.api(), name, PASSWORD).send().await;
        answer.is_problem(401, "invalid_credentials");
    }
    let seen = other.api.get(&format!("/api/users/{}", player.id)).await;
    seen.is_problem(404, "player_not_found");

    // Both names are anybody's, at once.
    let body = signup_body(&player.site_id, &player.nickname.to_uppercase());
    let heir = target.api().post("/api/auth/signup", &body).send().await.ok();
    assert_ne!(heir["user"]["id"], player.id);
    assert_eq!(heir["user"]["gold_balance"], 1000);
}

#[tokio::test]
async fn the_balance_is_burned_and_the_books_are_kept() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    player.claim().await.ok();
    player.spin(10, "spin").send().await.ok();
    let gold = player.gold().await;
    erase(&player).await.ok();

    let journal = journal(&stack, &player).await;
    assert_eq!((journal.len(), balance(&journal)), (4, 0));
    let last = journal.last().expect("entries");
    let burned: Vec<_> = last.legs.iter().map(|(account, gold)| (account, gold.units())).collect();
    assert_eq!(burned, [(Account::Player, -gold), (Account::BurnErasure, gold)]);
    assert_eq!(domain::envelope(last).event_type, "user.erased");
    let id = player.id.parse().expect("an id");
    let state = stack.store("test").player(Subject::system(id)).await.expect("the state stays");
    assert_eq!((state.gold.units(), state.profile.erased), (0, true));
}

#[tokio::test]
async fn no_item_of_the_table_knows_the_names_of_the_forgotten() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    player.claim().await.ok();
    player.buy("streak_shield", 1, "buy").send().await.ok();
    login(&player.api.somebody_else(), &player.site_id, "wrong-horse-9").send().await;
    let player = player.elsewhere().log_in().await;
    let renamed = format!("{}x", &player.nickname[..player.nickname.len() - 1]);
    let body = json!({ "nickname": renamed }).to_string();
    player.api.call(Method::PUT, "/api/auth/profile").body(body).send().await.ok();
    let names = [&player.site_id, &player.nickname, &renamed].map(|name| name.to_lowercase());
    let known = async |name: &str| {
        let items = whole_table(&stack).await.into_iter();
        items.filter(|item| item.to_string().to_lowercase().contains(name)).count()
    };
    stack.settled(DEADLINE).await.expect("settles");
    // Name and state; of the former nickname nothing was left already.
    assert_eq!([known(&names[0]).await, known(&names[1]).await, known(&names[2]).await], [2, 0, 2]);

    erase(&player).await.ok();
    stack.settled(DEADLINE).await.expect("settles");
    for name in &names {
        assert_eq!(known(name).await, 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_plays_on_while_being_forgotten_leaves_nothing_behind() {
    let stack = stack().await;
    let player = Maker::new(&stack, Clock::system()).await.player(Role::Standard).await;
    let spins = (0..20).map(|number| {
        let spin = player.spin(1, &format!("spin-{number}"));
        async move { spin.send().await }
    });
    let erased = async {
        loop {
            let answer = erase(&player).await;
            if answer.status != 503 {
                break answer;
            }
        }
    };
    let (answers, erased) = tokio::join!(join_all(spins), erased);
    erased.ok();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!([401, 503].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    player.spin(1, "after").send().await.is_problem(401, "unauthenticated");
    let journal = journal(&stack, &player).await;
    assert_eq!(balance(&journal), 0);
    assert_eq!(journal.last().map(|entry| entry.fact.kind()), Some("player_erased"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_wish_to_be_forgotten_overtakes_is_refused() {
    let stack = stack().await;
    let player = Maker::new(&stack, Clock::system()).await.player(Role::Standard).await;
    let id = player.id.parse().expect("an id");
    let session = player.refresh_token.split('.').nth(1).and_then(|id| id.parse().ok());
    let session = session.expect("a refresh token names its session");
    let credentials = Credentials { session, role: Role::Standard, before_password_change: false };
    let ctx = Ctx { now: Clock::system().now(), seed: [7; 32], trace_id: "test".to_owned() };
    let (store, once) = (stack.store("test"), once_by_nature(format!("overtaken:{id}")));
    let mut decided = 0;
    let outcome = store
        .execute(Subject::caller(id, credentials), once, |state| {
            decided += 1;
            // Between the look at the state and the write.
            block_in_place(|| Handle::current().block_on(erase(&player))).ok();
            Ok(Decision { plan: claim_streak::decide(state, &ctx)?, answer: None })
        })
        .await;
    let refused = matches!(outcome, Err(store::Error::Rejected(Rejection::SignedOut)));
    assert!(refused && decided == 1, "{outcome:?}");
    assert_eq!(balance(&journal(&stack, &player).await), 0);
}
