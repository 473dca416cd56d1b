//! Ten thousand requests of many players, half of them sent before: the balances
//! at the end are exact, and every key has had one answer.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

use devstack::Stack;
use futures::{StreamExt as _, stream};
use tests::{
    Answer, Api, Hands, Player, books,
    script::{Command, Dice, Kind, script},
    stack_with,
};

use crate::support::{change, is_clear_503};

const REQUESTS: usize = 10_000;
const PLAYERS: usize = 40;
const CLIENTS: usize = 32;
/// Requests that may come again.
const MEMORY: usize = 1_024;
const SEED: u64 = 2026;

/// What was asked under each key of each player, and answered.
type Answers = BTreeMap<(usize, String), Vec<(Command, Answer)>>;

/// The commands with, in place of every other one, one of the last before it: as it
/// was, or asking for something else under the same key.
fn poisoned(dice: &mut Dice) -> Vec<Command> {
    let mut memory: VecDeque<Command> = VecDeque::new();
    let fresh = script(dice, PLAYERS, REQUESTS);
    let mut sent = Vec::with_capacity(REQUESTS);
    for command in fresh {
        // A login's answer holds tokens of its moment and costs a hash.
        let kind = if command.kind == Kind::LogIn { Kind::Claim } else { command.kind };
        let command = Command { kind, ..command };
        if dice.below(2) == 0 && !memory.is_empty() {
            let mut again = memory[dice.below(memory.len())].clone();
            if dice.below(4) == 0 {
                again.kind = Kind::Spin { bet: 11 };
            }
            sent.push(again);
            continue;
        }
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.push_back(command.clone());
        sent.push(command);
    }
    sent
}

/// Sends the command until it is no 503.
async fn settle(player: &Player, command: &Command) -> Answer {
    loop {
        let answer = command.call(player).send().await;
        if answer.status != 503 {
            return answer;
        }
        is_clear_503(&answer);
    }
}

/// Holds every answer under one key against each other: at most one command was
/// carried out, all its answers are the same, and whatever else was asked under the
/// key was refused.
fn outcome(answers: &[(Command, Answer)]) -> Option<&(Command, Answer)> {
    let done: Vec<_> = answers.iter().filter(|(_, answer)| answer.status.is_success()).collect();
    for (command, answer) in answers.iter().filter(|(_, answer)| !answer.status.is_success()) {
        let body = answer.json();
        match body["code"].as_str().unwrap_or_default() {
            "insufficient_funds" => assert!(command.may_lack_gold(), "{command:?}: {body}"),
            "idempotency_key_reused" => {
                let (first, _) = done.first().expect("somebody used the key");
                assert_ne!(first.kind, command.kind, "{command:?}: {body}");
            }
            "already_claimed" => assert_eq!(command.kind, Kind::Claim, "{body}"),
            _ => panic!("{command:?}: {} {body}", answer.status),
        }
    }
    let (first, rest) = done.split_first()?;
    for (command, answer) in rest {
        assert_eq!((&command.kind, &answer.text), (&first.0.kind, &first.1.text));
    }
    let fresh = done.iter().filter(|(_, answer)| !answer.is_replayed()).count();
    assert_eq!(fresh, 1, "carried out once: {answers:#?}");
    Some(first)
}

async fn signed_up(stack: &Stack) -> Vec<Player> {
    let api = Api::new(&stack.base_url);
    let players = stream::iter(0..PLAYERS).map(|_| Player::sign_up(&api));
    players.buffered(4).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_half_of_them_sent_before_end_in_exact_balances() {
    // One day, and tokens that last.
    let stack = stack_with(Hands::at("2026-12-01T09:00:00Z").options()).await;
    let players = signed_up(&stack).await;
    let answers = Mutex::new(Answers::new());
    let commands = poisoned(&mut Dice::new(SEED));
    stream::iter(&commands)
        .for_each_concurrent(CLIENTS, async |command| {
            let answer = settle(&players[command.player], command).await;
            // A claim is one a day, whatever its key.
            let key = if command.kind == Kind::Claim { "today" } else { &command.key };
            let mut answers = answers.lock().expect("nobody panicked");
            let under = answers.entry((command.player, key.to_owned())).or_default();
            under.push((command.clone(), answer));
        })
        .await;

    let answers = answers.into_inner().expect("nobody panicked");
    let (mut balances, mut carried_out) = (vec![1000; PLAYERS], vec![1; PLAYERS]);
    for ((player, _), under) in &answers {
        if let Some((command, answer)) = outcome(under) {
            balances[*player] += change(command, answer);
            carried_out[*player] += 1;
        }
    }
    for ((player, balance), entries) in players.iter().zip(balances).zip(carried_out) {
        assert_eq!(player.gold().await, balance);
        assert_eq!(books(&stack, player).await.len(), entries);
    }
    println!("{REQUESTS} requests under {} keys", answers.len());
}
