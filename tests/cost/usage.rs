//! Dollars of one call, one journal entry, one socket.

use std::{
    collections::BTreeMap,
    ops::{Add, Mul},
    path::Path,
};

use anyhow::{Context as _, Result};
use devstack::spec::Spec;
use serde::Deserialize;
use tests::budgets::{BEHIND_AN_ENTRY, Part, Row};

use crate::{assumed, prices};

/// Dollars, by what they are for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dollars {
    /// API Gateway, and the way out.
    pub gateway: f64,
    pub lambda: f64,
    pub table: f64,
    /// Stream and queue.
    pub transport: f64,
    /// Logs and traces.
    pub logs: f64,
}

impl Dollars {
    pub fn total(self) -> f64 {
        self.gateway + self.lambda + self.table + self.transport + self.logs
    }
}

impl Add for Dollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            gateway: self.gateway + other.gateway,
            lambda: self.lambda + other.lambda,
            table: self.table + other.table,
            transport: self.transport + other.transport,
            logs: self.logs + other.logs,
        }
    }
}

impl Mul<f64> for Dollars {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self {
            gateway: self.gateway * times,
            lambda: self.lambda * times,
            table: self.table * times,
            transport: self.transport * times,
            logs: self.logs * times,
        }
    }
}

/// What `cargo xtask cold` measured of one function.
#[derive(Deserialize)]
struct Measured {
    name: String,
    cold_cpu_ms: f64,
    warm_cpu_us: f64,
}

#[derive(Deserialize)]
struct Report {
    functions: Vec<Measured>,
}

/// A function as it is billed.
struct Billed {
    memory_mb: f64,
    cold_cpu_ms: f64,
    warm_cpu_ms: f64,
}

/// The functions by logical id.
pub struct Functions(BTreeMap<String, Billed>);

impl Functions {
    /// Memory from the template, times from the last measurement.
    pub fn read(spec: &Spec, measured: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(measured).with_context(|| {
            format!("no measured durations in {}: run `cargo xtask cold`", measured.display())
        })?;
        let report: Report = serde_json::from_str(&text)?;
        let billed = spec.functions.values().map(|function| {
            let measured = report.functions.iter().find(|m| m.name == function.crate_name);
            let measured = measured.with_context(|| {
                format!("{} was not measured: run `cargo xtask cold`", function.crate_name)
            })?;
            let billed = Billed {
                memory_mb: f64::from(function.memory_mb),
                cold_cpu_ms: measured.cold_cpu_ms,
                warm_cpu_ms: measured.warm_cpu_us / 1000.0,
            };
            Ok((function.logical_id.clone(), billed))
        });
        Ok(Self(billed.collect::<Result<_>>()?))
    }

    pub fn memory_mb(&self, function: &str) -> f64 {
        self.0[function].memory_mb
    }

    /// Billed milliseconds of one invocation that waits for this many calls.
    pub fn milliseconds(&self, function: &str, waits: f64) -> f64 {
        let Billed { memory_mb, cold_cpu_ms, warm_cpu_ms } = &self.0[function];
        let slowdown = (assumed::WHOLE_CPU_MB / memory_mb).max(1.0);
        let cpu = warm_cpu_ms + assumed::COLD_SHARE * cold_cpu_ms;
        (cpu * slowdown + waits * assumed::ROUND_TRIP_MS).ceil()
    }

    /// Of one invocation, with its traces and logs.
    fn invocation(&self, function: &str, waits: f64, log_kb: f64) -> Dollars {
        let gb_seconds =
            self.memory_mb(function) / 1024.0 * self.milliseconds(function, waits) / 1000.0;
        Dollars {
            lambda: prices::INVOCATION.of(1.0) + prices::GB_SECOND.of(gb_seconds),
            logs: prices::TRACE.of(assumed::TRACED_SHARE) + prices::LOG_GB.of(log_kb / 1e6),
            ..Dollars::default()
        }
    }

    /// Of one call of the HTTP API, up to its answer.
    pub fn call(&self, row: &Row, function: &str) -> Dollars {
        self.invocation(function, waits(row.calls), assumed::LOG_KB_HTTP)
            + units(row.read, row.write)
            + Dollars {
                gateway: prices::HTTP_CALL.of(1.0) + prices::OUT_GB.of(assumed::ANSWER_KB / 1e6),
                ..Dollars::default()
            }
    }

    /// Of what happens behind one journal entry's answer.
    pub fn behind_an_entry(&self) -> Dollars {
        let load = self.invocation("OlapLoadFunction", 1.0, assumed::LOG_KB_OTHER);
        self.parts(BEHIND_AN_ENTRY) + load * (1.0 / assumed::LOADED_TOGETHER)
    }

    pub fn parts(&self, parts: &[Part]) -> Dollars {
        parts.iter().map(|part| self.part(part)).fold(Dollars::default(), Dollars::add)
    }

    fn part(&self, part: &Part) -> Dollars {
        let invocations = float(part.invocations);
        let count = |wanted: &str| -> f64 {
            part.calls.iter().filter(|(action, _)| *action == wanted).map(|(_, n)| float(*n)).sum()
        };
        let frames = count("execute-api:PostToConnection");
        // Each message is sent, received and deleted.
        let requests = 3.0 * count("sqs:SendMessageBatch");
        let waits = waits(part.calls) / invocations;
        self.invocation(part.function, waits, assumed::LOG_KB_OTHER) * invocations
            + units(part.read, part.write)
            + Dollars {
                gateway: prices::SOCKET_MESSAGE.of(frames)
                    + prices::OUT_GB.of(frames * assumed::ANSWER_KB / 1e6),
                transport: prices::FIFO_REQUEST.of(requests)
                    + prices::PUT_UNIT.of(count("kinesis:PutRecords")),
                ..Dollars::default()
            }
    }
}

fn waits(calls: &[(&str, u64)]) -> f64 {
    calls.iter().map(|(_, count)| float(*count)).sum()
}

fn units(read: f64, write: f64) -> Dollars {
    let table = prices::READ_UNIT.of(read) + prices::WRITE_UNIT.of(write);
    Dollars { table, ..Dollars::default() }
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
pub const fn float(count: u64) -> f64 {
    count as f64
}
