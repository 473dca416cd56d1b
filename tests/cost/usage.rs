//! Dollars of one call, one journal entry, one socket.

use std::{
    collections::BTreeMap,
    ops::{Add, Mul},
    path::Path,
};

use ::tests::budgets::{BEHIND_AN_ENTRY, Part, Row};
use anyhow::{Context as _, Result};
use devstack::spec::Spec;
use serde::Deserialize;

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
        let billed = spec.buffered_functions().map(|function| {
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
                transport: prices::PUT_UNIT.of(count(row.calls, "kinesis:PutRecord")),
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
        let count = |wanted: &str| count(part.calls, wanted);
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

fn count(calls: &[(&str, u64)], wanted: &str) -> f64 {
    calls.iter().filter(|(action, _)| *action == wanted).map(|(_, count)| float(*count)).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: &str = "POST /api/games/slot/spin";

    fn functions() -> Functions {
        let billed = || Billed { memory_mb: 1024.0, cold_cpu_ms: 0.0, warm_cpu_ms: 10.0 };
        let parts = BEHIND_AN_ENTRY.iter().map(|part| part.function);
        let ids = parts.chain(["F", "OlapLoadFunction"]);
        Functions(ids.map(|id| (id.to_owned(), billed())).collect())
    }

    #[track_caller]
    fn is(dollars: f64, a_million: f64) {
        assert!((dollars * 1e6 - a_million).abs() < 0.005, "{} is not {a_million}", dollars * 1e6);
    }

    #[test]
    fn a_round_costs_what_its_units_and_milliseconds_cost() {
        let functions = functions();
        let round = Row::of(ROUND);
        let call = functions.call(round, "F");
        // 2 × 0.125 + 6 × 0.625
        is(call.table, 4.0);
        // 10 ms of a whole CPU at 1024 of 1769 MB, and twice 5 ms: 28 ms of a GB.
        assert_eq!(functions.milliseconds("F", 2.0).to_string(), "28");
        is(call.lambda, 0.2 + 0.028 * 13.3334);
        assert_eq!(round.entries(), 1);
    }

    #[test]
    fn what_follows_an_entry_is_sent_twice_and_shown_thrice() {
        let behind = functions().behind_an_entry();
        // Two messages of three requests, one record.
        is(behind.transport, 6.0 * 0.5 + 0.014);
        is(behind.gateway, 3.0 * (1.0 + 0.09 * 1.5));
    }

    #[test]
    fn a_replay_writes_nothing() {
        let replays = ::tests::budgets::ROWS.iter().filter(|row| row.note == "again");
        assert!(replays.clone().count() > 0);
        assert!(replays.into_iter().all(|row| row.entries() == 0));
    }

    #[test]
    fn every_call_of_a_players_day_has_its_budget() {
        for (route, times) in assumed::CALLS {
            assert!(*times > 0.0 && Row::of(route).note.is_empty(), "{route}");
        }
    }
}
