//! What becomes of a call: it takes effect or does not, and its caller hears of it
//! or does not.

use std::task::Waker;

use serde_json::Value;

use super::Run;
use crate::{
    history::{Event, Invocation},
    plant::Plant,
    services,
    world::{Failure, Reply, Storm, World},
};

impl Run {
    /// A request whose caller has gone reaches its service after all.
    pub(super) fn take_effect_late(&mut self) -> bool {
        let mut world = self.world.lock();
        if world.late.is_empty() {
            return false;
        }
        let length = world.late.len();
        let at = world.rng.index(length);
        let call = world.late.remove(at);
        let reply = world.serve(&call);
        let Reply { status, .. } = reply;
        world.note(Event::Call { by: call.by, call: call.operation, fate: "late", status });
        true
    }

    /// What becomes of a waiting call.
    pub(super) fn decide(&mut self, ticket: u64) {
        let mut world = self.world.lock();
        let parked = &world.parked[&ticket];
        let (by, happened) = (parked.call.by, parked.effect.is_some());
        let faults = if world.calm { 0 } else { world.weather.faults };
        let raging = world.storms.get_mut(&by).filter(|storm| storm.left > 0).map(|storm| {
            storm.left -= 1;
            storm.fate
        });
        let fate = match raging {
            // What took effect was neither throttled nor in conflict.
            Some("throttle" | "conflict") if happened => "timeout",
            Some(fate) => fate,
            None if !happened && world.planted_timeout(ticket) && world.rng.chance(500) => {
                "timeout"
            }
            None if happened && world.rng.chance(faults / 3) => world.strike(by, true),
            None if !happened && world.rng.chance(faults) => world.strike(by, false),
            None => "answered",
        };
        if fate == "answered" {
            let held = world.weather.held;
            if !happened && !world.calm && world.rng.chance(held) {
                world.act(ticket);
                return;
            }
            drop(world);
            return self.pass(ticket);
        }
        world.fail(ticket, fate);
        let waker = world.parked.get_mut(&ticket).and_then(|parked| parked.waker.take());
        drop(world);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The call takes effect, unless it has, and is answered.
    pub(super) fn pass(&self, ticket: u64) {
        let mut world = self.world.lock();
        world.act(ticket);
        let parked = world.parked.get_mut(&ticket).expect("it waits");
        parked.outcome = parked.effect.take().map(Ok);
        let waker = parked.waker.take();
        drop(world);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl World {
    /// The call takes effect, unless it has.
    fn act(&mut self, ticket: u64) {
        let parked = &self.parked[&ticket];
        if parked.effect.is_some() {
            return;
        }
        let call = parked.call.clone();
        let reply = self.serve(&call);
        let Reply { status, .. } = reply;
        self.note(Event::Call { by: call.by, call: call.operation, fate: "served", status });
        self.parked.get_mut(&ticket).expect("it waits").effect = Some(reply);
    }

    /// Draws a fate, and how long it lasts for this function.
    fn strike(&mut self, by: Invocation, happened: bool) -> &'static str {
        let fate = if happened {
            *self.rng.pick(&["timeout", "disconnect", "internal error"])
        } else {
            *self.rng.pick(&[
                "timeout",
                "timeout after",
                "timeout after",
                "disconnect",
                "disconnect after",
                "internal error",
                "internal error after",
                "throttle",
                "conflict",
            ])
        };
        let left = *self.rng.pick(&[0, 0, 1, 2, 2, 3, 6]);
        self.storms.insert(by, Storm { fate, left });
        fate
    }

    /// Gives the caller what `fate` says instead of the answer.
    fn fail(&mut self, ticket: u64, fate: &'static str) {
        let after = fate.ends_with("after");
        if after {
            self.act(ticket);
        }
        let call = self.parked[&ticket].call.clone();
        let transaction = call.is_transaction();
        let outcome = match fate.split(" after").next().unwrap_or(fate) {
            "timeout" => Err(Failure::Timeout),
            "disconnect" => Err(Failure::Disconnect),
            "internal error" if call.service == "dynamodb" => {
                Ok(services::refusal(500, "InternalServerError", "injected"))
            }
            "internal error" => Ok(services::refusal(500, "InternalFailure", "injected")),
            "conflict" if transaction => Ok(conflict(&call.json())),
            "conflict" if call.service == "dynamodb" => {
                Ok(services::refusal(400, "TransactionConflictException", "injected"))
            }
            _ if matches!(call.service, "dynamodb" | "kinesis") => {
                Ok(services::refusal(400, "ProvisionedThroughputExceededException", "injected"))
            }
            _ => Ok(services::refusal(400, "ThrottlingException", "injected")),
        };
        let outcome = match (self.plant, outcome) {
            (Some(Plant::TimeoutIsSuccess), Err(Failure::Timeout)) if transaction => {
                Ok(Reply { status: 200, body: b"{}".to_vec() })
            }
            (Some(Plant::TimeoutIsRefusal), Err(Failure::Timeout)) if transaction => {
                Ok(services::refusal(400, "ValidationException", "planted"))
            }
            (_, outcome) => outcome,
        };
        if transaction && outcome.is_err() {
            self.unanswered.insert(call.by);
        }
        self.note(Event::Call { by: call.by, call: call.operation, fate, status: 0 });
        let parked = self.parked.get_mut(&ticket).expect("it waits");
        let happened = parked.effect.take().is_some();
        let unheard = outcome.is_err();
        parked.outcome = Some(outcome);
        // Nobody waits for it any more, but it may still arrive.
        if unheard && !happened && self.rng.chance(400) {
            let call = self.parked[&ticket].call.clone();
            self.late.push(call);
        }
    }
}

/// One reason for each item of the transaction.
fn conflict(request: &Value) -> Reply {
    let items = request["TransactItems"].as_array().map_or(1, Vec::len);
    let reason = serde_json::json!({ "Code": "TransactionConflict", "Message": "injected" });
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled [TransactionConflict]",
        "CancellationReasons": vec![reason; items],
    });
    Reply { status: 400, body: body.to_string().into_bytes() }
}
