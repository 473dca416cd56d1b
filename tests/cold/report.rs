//! Medians and ratios, for people and for programs.

use std::{io::Write as _, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    probe::{Calls, Start},
    subject::Subject,
};

/// How much more than its floor a function may cost to start and to ship.
const BOUND: f64 = 1.3;

const HEAD: &str = "function           cold ms  own ms init ms  cpu ms warm ms  cpu µs peak MB MB after size MB  \
                    floor          cold ×  own ×  cpu × size ×";

/// One function and all that was seen of it.
pub struct Row<'a> {
    pub subject: Subject<'a>,
    pub starts: Vec<Start>,
    pub calls: Option<Calls>,
}

impl<'a> Row<'a> {
    pub const fn new(subject: Subject<'a>) -> Self {
        Self { subject, starts: Vec::new(), calls: None }
    }
}

/// All functions, floors first.
#[derive(Serialize)]
pub struct Report {
    functions: Vec<Line>,
}

/// One function in numbers; times are medians.
#[derive(Clone, Serialize)]
struct Line {
    name: String,
    floor: Option<&'static str>,
    /// Whether the bound holds for it.
    http: bool,
    /// Of the template.
    memory_mb: u32,
    starts: usize,
    /// From exec until the function asked for its first event.
    init_ms: f64,
    /// From exec to the first answer.
    cold_ms: f64,
    /// The same, less the time that the AWS of this machine took for its answers.
    own_ms: f64,
    /// CPU time of the process until then.
    cold_cpu_ms: f64,
    /// One call of a running function, with the Runtime API's part.
    warm_ms: f64,
    /// Calls that `warm_cpu_us` is the mean of.
    calls: usize,
    /// CPU time of the function's own process per warm call.
    warm_cpu_us: f64,
    /// Most memory that was resident, after a few calls and after many.
    peak_kib: u64,
    peak_kib_after_calls: u64,
    size_bytes: u64,
    /// Against the floor.
    cold_ratio: Option<f64>,
    own_ratio: Option<f64>,
    cold_cpu_ratio: Option<f64>,
    size_ratio: Option<f64>,
}

impl Report {
    pub fn new(rows: &[Row<'_>]) -> Result<Self> {
        let mut functions: Vec<Line> = Vec::new();
        for row in rows {
            let line = line(row, &functions)?;
            functions.push(line);
        }
        Ok(Self { functions })
    }

    /// The table; what is over the bound is marked with `!`.
    pub fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{HEAD}")?;
        for line in &self.functions {
            let ratio = |ratio: Option<f64>| match ratio {
                Some(ratio) if line.http && ratio > BOUND => format!("{ratio:.2}!"),
                Some(ratio) => format!("{ratio:.2} "),
                None => String::new(),
            };
            writeln!(
                out,
                "{:<18} {:>7.1} {:>7.1} {:>7.1} {:>7.1} {:>7.2} {:>7.0} {:>7.1} {:>8.1} {:>7.2}  {:<14} {:>6} {:>6} {:>6} {:>6}",
                line.name,
                line.cold_ms,
                line.own_ms,
                line.init_ms,
                line.cold_cpu_ms,
                line.warm_ms,
                line.warm_cpu_us,
                mebi(line.peak_kib * 1024),
                mebi(line.peak_kib_after_calls * 1024),
                mebi(line.size_bytes),
                line.floor.unwrap_or_default(),
                ratio(line.cold_ratio),
                ratio(line.own_ratio),
                ratio(line.cold_cpu_ratio),
                ratio(line.size_ratio),
            )?;
        }
        writeln!(
            out,
            "\nMedians of {} starts; cold is from exec to the first answer, own the same \
             less what the local AWS took for its answers, init to the first question for an event. ! is over {BOUND}, the bound for what somebody waits for.",
            self.functions.first().map_or(0, |line| line.starts)
        )?;
        Ok(())
    }

    /// The same for programs.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }
}

fn line(row: &Row<'_>, before: &[Line]) -> Result<Line> {
    let Row { subject, starts, calls } = row;
    let calls = calls.as_ref().context("every function was called")?;
    let of = |pick: fn(&Start) -> Duration| median(starts.iter().map(pick).collect());
    let warm = starts.iter().flat_map(|start| start.warm.iter().copied()).collect();
    let mut line = Line {
        name: subject.name.clone(),
        floor: subject.floor,
        http: subject.http,
        memory_mb: subject.memory_mb,
        starts: starts.len(),
        init_ms: of(|start| start.init),
        cold_ms: of(|start| start.cold),
        own_ms: of(|start| start.own),
        cold_cpu_ms: of(|start| start.cold_cpu),
        warm_ms: median(warm),
        calls: calls.count,
        warm_cpu_us: calls.cpu.as_secs_f64() * 1e6,
        peak_kib: starts.iter().map(|start| start.peak_kib).max().unwrap_or_default(),
        peak_kib_after_calls: calls.peak_kib,
        size_bytes: subject.size_bytes,
        cold_ratio: None,
        own_ratio: None,
        cold_cpu_ratio: None,
        size_ratio: None,
    };
    if let Some(floor) = before.iter().find(|line| Some(&*line.name) == subject.floor) {
        line.cold_ratio = Some(line.cold_ms / floor.cold_ms);
        line.own_ratio = Some(line.own_ms / floor.own_ms);
        line.cold_cpu_ratio = Some(line.cold_cpu_ms / floor.cold_cpu_ms);
        line.size_ratio = Some(ratio(line.size_bytes, floor.size_bytes));
    }
    Ok(line)
}

/// In milliseconds.
fn median(mut durations: Vec<Duration>) -> f64 {
    durations.sort();
    durations.get(durations.len() / 2).map_or(0.0, |median| median.as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^52")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

fn mebi(bytes: u64) -> f64 {
    ratio(bytes, 1024 * 1024)
}
