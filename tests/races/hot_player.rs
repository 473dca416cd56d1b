//! One player who does forty things a second. Their entries have one order, so each
//! command waits for the one before it or is told to come back.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use tests::{
    Answer, Api, Hands, Player, books,
    script::{Command, Dice, Kind, script},
    stack_with,
};

use crate::support::{change, is_clear_503};

const A_SECOND: u32 = 40;
const SECONDS: u32 = 5;
const SEED: u64 = 40;

/// Sends the commands at an even pace, whether or not the ones before were answered.
async fn paced(player: &Player, commands: &[Command]) -> Vec<Answer> {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / A_SECOND);
    let mut sent = Vec::with_capacity(commands.len());
    for command in commands {
        pace.tick().await;
        sent.push(tokio::spawn(command.call(player).send()));
    }
    join_all(sent).await.into_iter().map(|answer| answer.expect("an answer")).collect()
}

/// Sends the command until it is no 503; what else it may be told is a refusal that
/// fits it.
async fn settled(player: &Player, command: &Command, mut answer: Answer) -> Answer {
    while answer.status == 503 {
        is_clear_503(&answer);
        answer = command.call(player).send().await;
    }
    match answer.status.as_u16() {
        200 => {}
        409 => {
            assert_eq!(command.kind, Kind::Claim);
            answer.is_problem(409, "already_claimed");
        }
        _ => {
            assert!(command.may_lack_gold(), "{command:?}: {}", answer.text);
            answer.is_problem(422, "insufficient_funds");
        }
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_commands_a_second_of_one_player_end_in_an_exact_balance() {
    // One day, and a token that lasts.
    let stack = stack_with(Hands::at("2026-12-01T09:00:00Z").options()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let count = usize::try_from(A_SECOND * SECONDS).expect("small");
    let mut commands = script(&mut Dice::new(SEED), 1, count);
    // A login's answer holds tokens of its moment and costs a hash.
    commands.retain(|command| command.kind != Kind::LogIn);

    let answers = paced(&player, &commands).await;

    let busy = answers.iter().filter(|answer| answer.status == 503).count();
    let mut changes = BTreeMap::new();
    for (command, answer) in commands.iter().zip(answers) {
        let answer = settled(&player, command, answer).await;
        if answer.status == 200 {
            // A claim is one a day, whatever its key.
            let key = if command.kind == Kind::Claim { "today" } else { &command.key };
            changes.insert(key, change(command, &answer));
        }
    }
    println!("{busy} of {} were asked to come back", commands.len());
    // Which checks every entry, and that none leaves less than nothing.
    let journal = books(&stack, &player).await;
    assert_eq!(journal.len(), 1 + changes.len());
    assert_eq!(player.gold().await, 1000 + changes.values().sum::<i64>());
}
