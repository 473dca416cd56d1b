//! `cargo xtask bench --sockets`: how long a frame is on its way, while many players
//! play at once on several devices each, some of which are cut off meanwhile.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use devstack::{Options, Stack};
use domain::Role;
use jiff::Timestamp;
use runtime::Clock;
use serde_json::{Value, json};
use tests::{DEADLINE, Maker, Player, Socket, has_come};
use tokio::{sync::watch, task::JoinSet};

/// One device in so many is cut off halfway, without a word.
const CUT_OFF: usize = 5;

/// They come back within this time, as `tests/client` does.
const COMES_BACK: Duration = Duration::from_secs(1);

/// After the cut, until those who came back have caught up.
const UNREST: Duration = Duration::from_secs(2);

/// The frames that every round has.
const OF_A_ROUND: [&str; 2] = ["profile_update", "game_update"];

/// Who plays, on how much, and for how long.
pub struct Scene {
    pub players: usize,
    pub devices: usize,
    pub time: Duration,
    /// Between two spins of a player.
    pub pause: Duration,
}

/// Plays the scene and prints what its devices saw.
///
/// # Errors
/// When a device misses a frame, or sees another player's.
pub async fn measure(scene: &Scene) -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let maker = Maker::new(&stack, Clock::system()).await;
    let mut players = Vec::new();
    for _ in 0..scene.players {
        players.push(maker.player(Role::Standard).await);
    }
    let (lasts, ends): (Vec<_>, Vec<_>) =
        players.iter().map(|_| watch::channel(None::<u64>)).unzip();
    let mut devices = JoinSet::new();
    let mut sockets = Vec::new();
    for number in 0..scene.devices {
        let player = &players[number % players.len()];
        let mut socket = player.socket().await;
        socket.until("initial_state").await;
        sockets.push(socket);
    }
    let (started, began) = (Instant::now(), Clock::system().now());
    for (number, socket) in sockets.into_iter().enumerate() {
        let cut_off = (number % CUT_OFF == 0).then(|| started + scene.time / 2);
        let pause = COMES_BACK.mul_f64(unit(number * 37));
        let device = Device::new(players[number % players.len()].clone(), pause);
        let last = ends[number % players.len()].clone();
        devices.spawn(device.watch(socket, cut_off, last));
    }
    let mut playing = JoinSet::new();
    for (player, last) in players.into_iter().zip(lasts) {
        let (time, pause) = (scene.time, scene.pause);
        playing.spawn(async move {
            let rounds = play(&player, started, time, pause).await?;
            // The first entry is the signup.
            last.send_replace(Some(1 + rounds));
            anyhow::Ok(rounds)
        });
    }
    let mut rounds = 0;
    while let Some(played) = playing.join_next().await {
        rounds += played??;
    }
    let took = started.elapsed();
    let mut seen = Vec::new();
    while let Some(device) = devices.join_next().await {
        seen.push(device??);
    }
    let cut = began.checked_add(scene.time / 2)?;
    report(scene, rounds, took, &seen, cut..=cut.checked_add(UNREST)?);
    stack.shutdown().await?;
    ensure!(seen.iter().all(|device| device.strangers == 0), "a frame of another player");
    Ok(())
}

/// A spin after each pause; how many there were.
async fn play(player: &Player, started: Instant, time: Duration, pause: Duration) -> Result<u64> {
    // Not all in the same instant.
    let shift = pause.mul_f64(unit(player.id.bytes().map(usize::from).sum()));
    let mut due = started + shift;
    let mut rounds = 0;
    while due < started + time {
        tokio::time::sleep_until(due.into()).await;
        let answer = player.spin(1, &format!("bench-{rounds:08}")).try_send().await?;
        ensure!(answer.status == 200, "a spin was answered {} {}", answer.status, answer.text);
        rounds += 1;
        due = (due + pause).max(Instant::now());
    }
    Ok(rounds)
}

/// A part of one, spread evenly enough over neighbours.
fn unit(number: usize) -> f64 {
    f64::from(u32::try_from(number % 97).unwrap_or(0)) / 97.0
}

/// What one device has seen.
struct Device {
    player: Player,
    /// From being cut off to coming back.
    pause: Duration,
    /// The entry up to which the last `initial_state` speaks for the frames.
    covered: u64,
    /// `(seq, type)` of the frames of rounds.
    seen: BTreeSet<(u64, String)>,
    /// The same, since the socket was opened.
    on_this_socket: BTreeSet<(u64, String)>,
    /// When entries were made, and how long their frames took, in ms, of those that were
    /// not replayed.
    delays_ms: Vec<(Timestamp, u64)>,
    replayed: u64,
    twice: u64,
    strangers: u64,
}

impl Device {
    fn new(player: Player, pause: Duration) -> Self {
        Self {
            player,
            pause,
            // The signup.
            covered: 1,
            seen: BTreeSet::new(),
            on_this_socket: BTreeSet::new(),
            delays_ms: Vec::new(),
            replayed: 0,
            twice: 0,
            strangers: 0,
        }
    }

    /// Watches until everything up to the player's last entry was seen.
    async fn watch(
        mut self,
        mut socket: Socket,
        mut cut_off: Option<Instant>,
        mut last: watch::Receiver<Option<u64>>,
    ) -> Result<Self> {
        let mut opened = Timestamp::UNIX_EPOCH;
        loop {
            let end = *last.borrow();
            if end.is_some_and(|end| self.complete_to() >= end) {
                return Ok(self);
            }
            let cut = async {
                match cut_off {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                frame = tokio::time::timeout(DEADLINE, socket.next_or_end()) => {
                    let frame = frame.with_context(|| self.missing(end))?;
                    self.take(&frame.context("the socket was closed")?, opened)?;
                }
                changed = last.changed(), if end.is_none() => changed?,
                () = cut => {
                    cut_off = None;
                    drop(socket);
                    tokio::time::sleep(self.pause).await;
                    opened = Clock::system().now();
                    self.on_this_socket.clear();
                    socket = self.player.socket().await;
                    let last_seq = self.complete_to();
                    socket.send(&json!({ "action": "sync", "last_seq": last_seq })).await;
                }
            }
        }
    }

    fn take(&mut self, frame: &Value, opened: Timestamp) -> Result<()> {
        if frame["user_id"] != *self.player.id {
            self.strangers += 1;
        }
        let kind = frame["type"].as_str().context("a type")?;
        if kind == "initial_state" {
            self.covered = self.covered.max(frame["seq"].as_u64().context("a seq")?);
        }
        if !OF_A_ROUND.contains(&kind) {
            return Ok(());
        }
        let round = (frame["seq"].as_u64().context("a seq")?, kind.to_owned());
        if !self.on_this_socket.insert(round.clone()) {
            self.twice += 1;
            return Ok(());
        }
        self.seen.insert(round);
        let at: Timestamp = frame["timestamp"].as_str().context("a time")?.parse()?;
        if at < opened {
            self.replayed += 1;
        } else {
            let delay = Clock::system().now().as_millisecond() - at.as_millisecond();
            self.delays_ms.push((at, delay.try_into().unwrap_or(0)));
        }
        Ok(())
    }

    /// The entry up to which nothing is missing.
    fn complete_to(&self) -> u64 {
        let has =
            |seq| OF_A_ROUND.iter().all(|kind| has_come(&(seq, (*kind).to_owned()), &self.seen));
        (self.covered + 1..).take_while(|seq| has(*seq)).last().unwrap_or(self.covered)
    }

    fn missing(&self, end: Option<u64>) -> String {
        format!("nothing came after entry {}, of {end:?}", self.complete_to())
    }
}

fn report(
    scene: &Scene,
    rounds: u64,
    took: Duration,
    devices: &[Device],
    unrest: RangeInclusive<Timestamp>,
) {
    let sum = |of: fn(&Device) -> u64| devices.iter().map(of).sum::<u64>();
    let delays: Vec<_> = devices.iter().flat_map(|device| &device.delays_ms).collect();
    println!(
        "{} sockets of {} players, a spin every {:?} each; clients in the same process, {} build",
        devices.len(),
        scene.players,
        scene.pause,
        if cfg!(debug_assertions) { "dev" } else { "release" },
    );
    println!("{rounds} rounds in {:.1} s, {} frames of rounds", took.as_secs_f64(), delays.len());
    println!("from an entry's time, which is before its commit, to its frame:");
    let (rest, calm): (Vec<_>, Vec<_>) = delays.iter().partition(|(at, _)| unrest.contains(at));
    for (what, delays) in [("all", &delays), ("calm", &calm), ("unrest", &rest)] {
        let mut delays: Vec<_> = delays.iter().map(|(_, ms)| *ms).collect();
        delays.sort_unstable();
        let percentile = |percent: usize| {
            let last = delays.len().saturating_sub(1);
            delays.get(last * percent / 100).copied().unwrap_or(0)
        };
        let [p50, p95, p99, most] = [50, 95, 99, 100].map(percentile);
        println!("  {what:8} p50 {p50} ms, p95 {p95} ms, p99 {p99} ms, at most {most} ms");
    }
    println!(
        "{} sockets cut off halfway, back within {COMES_BACK:?} and resumed, {} frames replayed to \
         them; unrest is the {UNREST:?} after",
        devices.len().div_ceil(CUT_OFF),
        sum(|device| device.replayed),
    );
    println!(
        "0 missing, {} twice on one socket, {} of another player",
        sum(|device| device.twice),
        sum(|device| device.strangers),
    );
}
