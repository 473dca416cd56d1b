//! A day on which little works at the first try between the journal and what is made of
//! it: functions end in the middle of a batch, batches come twice, ClickHouse goes away,
//! and some records are garbage. What the rows, the views and the statistics hold is the journal all the same.
//! (What a server does that is killed is in `loader.rs` and `tests/crash`.)

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_kinesis::primitives::Blob;
use devstack::{
    Options, Stack,
    invoke::{InvokeError, Invoker},
};
use domain::Role;
use futures::future::try_join_all;
use runtime::Clock;
use serde_json::Value;
use store::Subject;
use tests::{
    ClickHouse, DEADLINE, Maker, Player, eventually_within,
    script::{Command, Dice, script},
    stack_with,
};

use crate::first_day::journal;

const PLAYERS: usize = 8;
const COMMANDS: usize = 400;
const GARBAGE: usize = 12;

/// Of a hundred batches, how many are cut off, and of a hundred others, how many come again.
const CUT_OFF: usize = 50;
const AGAIN: usize = 30;

/// Times that a function which is cut off has waited for something, at most.
const LONGEST_LIFE: usize = 4;

/// What is on the way from the journal to rows, views and statistics.
const ON_THE_WAY: [&str; 3] = ["OlapLoadFunction", "OutboxFunction", "ProjectionsFunction"];

/// Lambda, on that day.
struct BadDay {
    functions: Arc<dyn Invoker>,
    dice: Mutex<Dice>,
    mishaps: Mishaps,
}

/// How often each function was cut off, and how often a batch came again.
type Mishaps = Arc<Mutex<BTreeMap<String, Mishap>>>;

#[derive(Clone, Copy, Debug, Default)]
struct Mishap {
    invocations: u32,
    cut_off: u32,
    again: u32,
}

/// What becomes of an invocation.
enum Fate {
    /// It ends when it has waited so often.
    CutOff(usize),
    Again,
    Passes,
}

impl BadDay {
    /// The first of each function is cut off, the second comes again, and then it depends.
    fn fate(&self, function: &str) -> Fate {
        let mut mishaps = self.mishaps.lock().unwrap_or_else(PoisonError::into_inner);
        let of = mishaps.entry(function.to_owned()).or_default();
        of.invocations += 1;
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        match of.invocations {
            1 => Fate::CutOff(1),
            2 => Fate::Again,
            _ if dice.below(100) < CUT_OFF => Fate::CutOff(1 + dice.below(LONGEST_LIFE)),
            _ if dice.below(100) < AGAIN => Fate::Again,
            _ => Fate::Passes,
        }
    }

    fn note(&self, function: &str, note: impl FnOnce(&mut Mishap)) {
        let mut mishaps = self.mishaps.lock().unwrap_or_else(PoisonError::into_inner);
        note(mishaps.entry(function.to_owned()).or_default());
    }
}

#[async_trait]
impl Invoker for BadDay {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, InvokeError> {
        let fate = if ON_THE_WAY.contains(&function) { self.fate(function) } else { Fate::Passes };
        match fate {
            Fate::Passes => {}
            Fate::Again => {
                self.note(function, |of| of.again += 1);
                // Whatever becomes of it: it was delivered, and is delivered again.
                let _ = self.functions.invoke(function, payload.clone()).await;
            }
            Fate::CutOff(mut life) => {
                let mut call = pin!(self.functions.invoke(function, payload));
                let lived = poll_fn(|context| {
                    life -= 1;
                    match call.as_mut().poll(context) {
                        Poll::Pending if life > 0 => Poll::Pending,
                        Poll::Pending => Poll::Ready(None),
                        Poll::Ready(answer) => Poll::Ready(Some(answer)),
                    }
                });
                return lived.await.unwrap_or_else(|| {
                    self.note(function, |of| of.cut_off += 1);
                    Err(InvokeError::Function {
                        error_type: "Runtime.ExitError".to_owned(),
                        message: "Runtime exited with error: signal: killed".to_owned(),
                    })
                });
            }
        }
        self.functions.invoke(function, payload).await
    }
}

/// One after another, as one device sends.
async fn play(players: &[Player], commands: Vec<Command>) -> Result<()> {
    for command in commands {
        let answer = command.call(&players[command.player]).try_send().await?;
        let fair = answer.status == 200 || command.may_lack_gold() && answer.status == 422;
        anyhow::ensure!(fair, "{command:?} was answered {} {}", answer.status, answer.text);
    }
    Ok(())
}

async fn put_garbage(stack: &Stack, dice: &mut Dice) -> Result<()> {
    let kinesis = aws_sdk_kinesis::Client::new(&stack.engine().sdk_config());
    for number in 0..GARBAGE {
        kinesis
            .put_record()
            .stream_name(&stack.spec().streams[0].name)
            .partition_key(dice.below(1_000_000).to_string())
            .data(Blob::new(format!("garbage {number}")))
            .send()
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_views_and_statistics_are_the_journal_whatever_goes_wrong() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut server = ClickHouse::start(Some(&directory.path().join("clickhouse"))).await?;
    let mishaps = Mishaps::default();
    let seen = mishaps.clone();
    let stack = stack_with(Options {
        clickhouse_url: Some(server.url.clone()),
        between: Some(Arc::new(move |functions| {
            let (dice, mishaps) = (Mutex::new(Dice::new(2026)), mishaps.clone());
            Arc::new(BadDay { functions, dice, mishaps })
        })),
        ..Options::default()
    })
    .await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let mut players = Vec::new();
    for _ in 0..PLAYERS {
        players.push(maker.player(Role::Standard).await);
    }
    let mut dice = Dice::new(26);
    let mut commands = script(&mut dice, PLAYERS, COMMANDS);
    let later = commands.split_off(COMMANDS / 2);
    let all = |commands: &[Command]| {
        let of = |player| commands.iter().filter(|of| of.player == player).cloned().collect();
        try_join_all((0..PLAYERS).map(|player| play(&players, of(player))).collect::<Vec<_>>())
    };
    all(&commands).await?;
    put_garbage(&stack, &mut dice).await?;
    server.stop().await?;
    all(&later).await?;
    server.resume().await?;

    let journal = journal(&stack, &players).await?;
    let rows = "SELECT count() FROM events_log \
                WHERE load_token IN (SELECT load_token FROM events_loaded)";
    eventually_within(3 * DEADLINE, "every entry is a row", || async {
        server.sql(rows).await.expect("rows") == journal.len().to_string()
    })
    .await;
    stack.settled(3 * DEADLINE).await.expect("everything is delivered");
    server.holds_entries(journal.iter()).await?;

    let kept = "SELECT count(), uniqExact(data_base64), \
                countIf(startsWith(base64Decode(data_base64), 'garbage ')) FROM events_rejected";
    assert_eq!(server.sql(kept).await?, format!("{GARBAGE}\t{GARBAGE}\t{GARBAGE}"));
    for player in &players {
        let id = player.id.parse()?;
        let opened = stack.store("test").open(Subject::system(id)).await?;
        let plays = journal.iter().filter(|entry| entry.player == id);
        let plays =
            plays.filter(|entry| domain::envelope(entry).event_type == "game.round.settled");
        assert_eq!(opened.stored_seq, opened.player.version);
        assert_eq!(opened.stats.total().plays, u64::try_from(plays.count())?);
    }
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    println!("{} entries: {seen:?}", journal.len());
    for function in ON_THE_WAY {
        let of = seen.get(function).copied().unwrap_or_default();
        assert!(of.cut_off > 0 && of.again > 0, "nothing happened to {function}: {seen:?}");
    }
    Ok(())
}
