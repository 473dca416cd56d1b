//! `cargo xtask bench --logins`: what of a login is hashing, and what memory it takes.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use devstack::{Options, Stack};
use runtime::{
    Entropy,
    auth::{Hasher, Verdict},
};
use tests::{Api, PASSWORD, Player, unlimited_logins};
use tokio::task::JoinSet;

use crate::report::cpu;

/// Hashes one after the other, on which memory is measured.
const IN_A_ROW: u32 = 40;

/// What so many of something took of the whole process.
struct Work {
    count: u32,
    took: Duration,
    cpu: Duration,
}

impl Work {
    fn per_second(&self) -> f64 {
        f64::from(self.count) / self.took.as_secs_f64()
    }

    fn cpu_millis_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / f64::from(self.count)
    }
}

/// Measures hashing alone and logins through HTTP by `clients` at once, and the
/// memory of hashing one after the other, as a Lambda instance does.
pub async fn measure(clients: usize, time: Duration) -> Result<()> {
    // Nobody is held up: logins are counted by address and by account.
    let parameters = unlimited_logins().into();
    let stack = Stack::start(Options { parameters, ..Options::default() }).await?;
    let memory = &stack.spec().functions.get("AuthLoginFunction").context("logins")?.memory_mb;
    let (hash, peak) = memory_of_hashes().await?;
    let hashes = repeated(clients, time, || {
        let hash = hash.clone();
        async move { is_right(&hash).await }
    })
    .await?;
    let mut players = Vec::new();
    for _ in 0..clients {
        players.push(Player::sign_up(&Api::new(&stack.base_url)).await);
    }
    let mut next = players.iter().cycle();
    let logins = repeated(clients, time, || {
        let player = next.next().cloned();
        async move {
            let player = player.context("a player")?;
            let answer = player.try_password(PASSWORD).try_send().await?;
            ensure!(answer.status == 200, "{}", answer.text);
            Ok(())
        }
    })
    .await?;
    println!("{clients} at once    per s  CPU ms each");
    println!("hashes alone  {:>8.1} {:>12.2}", hashes.per_second(), hashes.cpu_millis_each());
    println!("logins        {:>8.1} {:>12.2}", logins.per_second(), logins.cpu_millis_each());
    println!(
        "hashing is {:.0} % of a login's CPU time; {:.0} % as many logins as hashes a second",
        100.0 * hashes.cpu_millis_each() / logins.cpu_millis_each(),
        100.0 * logins.per_second() / hashes.per_second()
    );
    println!(
        "{IN_A_ROW} hashes one after the other add {peak:.0} MB to the process at most; \
         auth-login has {memory} MB, and one login at a time"
    );
    stack.shutdown().await
}

async fn is_right(hash: &str) -> Result<()> {
    match Hasher::default().verify(PASSWORD.into(), Some(hash.to_owned())).await? {
        Verdict::Right { .. } => Ok(()),
        Verdict::Wrong => bail!("the password is right"),
    }
}

/// Does it again and again for `time`, `clients` at once.
async fn repeated<F>(clients: usize, time: Duration, mut once: impl FnMut() -> F) -> Result<Work>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (started, before) = (Instant::now(), cpu()?);
    let mut running = JoinSet::new();
    for _ in 0..clients {
        running.spawn(once());
    }
    let mut count = 0;
    while let Some(done) = running.join_next().await {
        done??;
        count += 1;
        if started.elapsed() < time {
            running.spawn(once());
        }
    }
    Ok(Work { count, took: started.elapsed(), cpu: cpu()?.saturating_sub(before) })
}

/// A hash, and by how many MB the process is larger at most while it makes it and
/// others, one after the other.
async fn memory_of_hashes() -> Result<(String, f64)> {
    let before = status("VmRSS:")?;
    // From here on VmHWM counts anew.
    fs::write("/proc/self/clear_refs", "5")?;
    let hash = Hasher::default().hash(PASSWORD.into(), &Entropy::system()).await?;
    for _ in 1..IN_A_ROW {
        is_right(&hash).await?;
    }
    Ok((hash, (status("VmHWM:")? - before) / 1024.0))
}

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> Result<f64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
