//! One process, looked at from outside.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use devstack::lambda::Instance;
use serde_json::Value;
use tests::Events;

use crate::subject::Subject;

/// Warm calls after each start.
const WARM: usize = 10;

/// One start.
pub struct Start {
    /// From exec to the first answer.
    pub cold: Duration,
    /// The same, less what AWS took for its answers.
    pub own: Duration,
    /// CPU time of that.
    pub cold_cpu: Duration,
    /// From exec until it asked for its first event.
    pub init: Duration,
    /// Each of the calls after the first.
    pub warm: Vec<Duration>,
    /// Most of the memory that was ever resident, KiB.
    pub peak_kib: u64,
}

/// Many calls of one process.
pub struct Calls {
    pub count: usize,
    /// CPU time of the function's own process, per call.
    pub cpu: Duration,
    /// Most of the memory that was ever resident, KiB.
    pub peak_kib: u64,
}

/// Starts the function, calls it with `first` and then a few times more.
pub async fn start(subject: &Subject<'_>, events: &Events<'_>, first: Bytes) -> Result<Start> {
    let busy = subject.aws.busy();
    let began = Instant::now();
    let mut instance = Instance::start(&subject.launch).await?;
    let init = began.elapsed();
    let answer = instance.invoke(first).await?;
    let cold = began.elapsed();
    let own = cold.saturating_sub(subject.aws.busy() - busy);
    sound(subject, &answer)?;
    let pid = instance.pid().context("the process runs")?;
    let cold_cpu = cpu(pid)?;
    let mut warm = Vec::with_capacity(WARM);
    for _ in 0..WARM {
        let event = payload(subject, events).await?;
        let began = Instant::now();
        let answer = instance.invoke(event).await?;
        warm.push(began.elapsed());
        sound(subject, &answer)?;
    }
    let peak_kib = peak_kib(pid)?;
    // The next start is not to share the machine with the end of this one.
    instance.end().await;
    Ok(Start { cold, own, cold_cpu, init, warm, peak_kib })
}

/// Calls one process up to `count` times, for about as long as `most`.
pub async fn calls(
    subject: &Subject<'_>,
    events: &Events<'_>,
    count: usize,
    most: Duration,
) -> Result<Calls> {
    let mut instance = Instance::start(&subject.launch).await?;
    sound(subject, &instance.invoke(payload(subject, events).await?).await?)?;
    let pid = instance.pid().context("the process runs")?;
    let (began, before, mut done) = (Instant::now(), cpu(pid)?, 0);
    while done < count && began.elapsed() < most {
        let event = payload(subject, events).await?;
        let answer = instance.invoke(event).await?;
        if is_too_fast(&answer)? {
            break;
        }
        sound(subject, &answer)?;
        done += 1;
    }
    let spent = cpu(pid)?.saturating_sub(before);
    let cpu = spent / u32::try_from(done.max(1))?;
    Ok(Calls { count: done, cpu, peak_kib: peak_kib(pid)? })
}

/// An event, as it is sent.
pub async fn payload(subject: &Subject<'_>, events: &Events<'_>) -> Result<Bytes> {
    Ok(Bytes::from(subject.event(events).await?.to_string()))
}

/// Whether a player's limit is reached: so many calls are enough.
fn is_too_fast(answer: &Bytes) -> Result<bool> {
    let answer: Value = serde_json::from_slice(answer)?;
    Ok(answer["statusCode"] == 429)
}

fn sound(subject: &Subject<'_>, answer: &Bytes) -> Result<()> {
    let answer: Value = serde_json::from_slice(answer)?;
    ensure!(subject.is_sound(&answer), "not what is to be measured: {answer}");
    Ok(())
}

/// CPU time of all threads so far. The kernel counts it in nanoseconds here and in
/// ticks of ten milliseconds elsewhere.
fn cpu(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let spent = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += spent.split(' ').next().context("schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

fn peak_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(peak.context("VmHWM")?.trim().trim_end_matches(" kB").parse()?)
}
