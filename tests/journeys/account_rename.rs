//! `PUT /api/auth/profile`: nicknames, taken and given back.

use domain::Role;
use futures::future::join_all;
use reqwest::Method;
use runtime::Clock;
use serde_json::{Value, json};
use tests::{Call, Maker, PASSWORD, Player, Target, fresh_name, login, stack};

use crate::account::{key_of, whole_table};

fn rename(player: &Player, nickname: &str) -> Call {
    let body = json!({ "nickname": nickname }).to_string();
    player.api.call(Method::PUT, "/api/auth/profile").body(body)
}

/// A nickname nobody else has.
fn fresh_nickname() -> String {
    let name = fresh_name();
    format!("r{}", &name[name.len() - 18.min(name.len())..])
}

/// The number of the next journal entry.
async fn next_entry(player: &Player) -> Value {
    player.api.get("/api/games/fairness").await.ok()["next_nonce"].clone()
}

#[tokio::test]
async fn a_new_nickname_frees_the_old_one() {
    let target = Target::start().await;
    let (player, heir) = (target.player().await, target.player().await);
    let (old, new) = (player.nickname.as_str(), fresh_nickname());
    let user = rename(&player, &new).send().await.ok();
    assert_eq!(user["nickname"], new);
    assert_eq!(user, player.me().await);

    let logged_in = login(&target.api(), &new, PASSWORD).send().await.ok();
    assert_eq!(logged_in["user"]["id"], player.id);
    login(&target.api(), old, PASSWORD).send().await.is_problem(401, "invalid_credentials");

    rename(&heir, old).send().await.ok();
    let logged_in = login(&target.api(), old, PASSWORD).send().await.ok();
    assert_eq!(logged_in["user"]["id"], heir.id);
    rename(&player, old).send().await.is_problem(409, "nickname_taken");
    assert_eq!(player.me().await["nickname"], new);
}

#[tokio::test]
async fn the_name_one_has_is_no_change_and_its_letters_may_change() {
    let target = Target::start().await;
    let (player, other) = (target.player().await, target.player().await);
    let before = next_entry(&player).await;
    for _ in 0..2 {
        let user = rename(&player, &player.nickname).send().await.ok();
        assert_eq!(user["nickname"], player.nickname);
    }
    assert_eq!(next_entry(&player).await, before);

    let loud = player.nickname.to_uppercase();
    assert_eq!(rename(&player, &loud).send().await.ok()["nickname"], loud);
    for taken in [&loud, &player.nickname] {
        rename(&other, taken).send().await.is_problem(409, "nickname_taken");
    }
    rename(&player, &fresh_nickname()).send().await.ok();
    rename(&other, &player.nickname).send().await.ok();
}

#[tokio::test]
async fn names_that_are_none_are_refused_with_the_place() {
    let target = Target::start().await;
    let player = target.player().await;
    for (nickname, rule) in
        [("x", "too_short"), ("abcdefghijklmnopqrstu", "too_long"), ("a b", "invalid_format")]
    {
        let problem = rename(&player, nickname).send().await.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/nickname");
        assert_eq!(problem["errors"][0]["code"], rule, "{nickname}");
    }
    assert_eq!(player.me().await["nickname"], player.nickname);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_want_one_name_one_gets_it() {
    let stack = stack().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let players = join_all((0..50).map(|_| maker.player(Role::Standard))).await;

    let answers = join_all(players.iter().zip(0..).map(|(player, number)| {
        rename(player, if number % 2 == 0 { "TheOne" } else { "theone" }).send()
    }))
    .await;

    let won = |answer: &&tests::Answer| answer.status == 200;
    assert_eq!(answers.iter().filter(won).count(), 1, "{answers:#?}");
    for (player, answer) in players.iter().zip(&answers) {
        let nickname = player.me().await["nickname"].clone();
        if answer.status == 200 {
            assert_eq!(answer.json()["nickname"], nickname);
        } else {
            answer.is_problem(409, "nickname_taken");
            assert_eq!(nickname, player.nickname, "who lost keeps the old name");
        }
    }
    let names = |item: &&Value| key_of(item).1 == "NICK";
    assert_eq!(whole_table(&stack).await.iter().filter(names).count(), players.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_player_changes_names_at_once_one_is_left() {
    let stack = stack().await;
    let player = Maker::new(&stack, Clock::system()).await.player(Role::Standard).await;
    let answers = join_all((0..10).map(|n| rename(&player, &format!("name{n}")).send())).await;
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.is_problem(503, "conflict_retry");
    }
    let nickname = player.me().await["nickname"].as_str().expect("a name").to_owned();
    let items = whole_table(&stack).await;
    let names = items.iter().map(key_of).filter(|(_, sk)| *sk == "NICK");
    assert_eq!(names.map(|(pk, _)| pk).collect::<Vec<_>>(), [format!("NICK#{nickname}")]);
}
