//! One run: a seed, and everything that follows from it.
//!
//! One thread. A function runs until each of its calls waits at the wire or for
//! virtual time; then the scheduler, by the seed, lets one call take effect, fail
//! or wait longer, starts something else, lets time pass, or crashes somebody. So
//! every interleaving at every await that matters is a matter of the seed.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures::FutureExt;
use runtime::{LambdaEvent, auth::JwtKeys};
use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    clients::Clients,
    functions::{self, Hosted, SPEC},
    history::{Event, Evidence, Invocation},
    plant::Plant,
    services,
    triggers::Triggers,
    world::{Failure, Reply, Shared, SocketState, Storm, World},
};

/// A run that has not come to rest after so many steps never will.
const STEPS: usize = 200_000;

/// Steps of faults once every command has been sent.
const AFTERMATH: usize = 300;

/// How long a function may really take over what is not a call.
const REAL_PATIENCE: Duration = Duration::from_secs(30);

/// Why a function runs.
#[derive(Clone, Debug)]
pub enum Purpose {
    Client {
        command: usize,
    },
    Connect {
        socket: String,
    },
    Message {
        socket: String,
    },
    Outbox {
        start: usize,
        length: usize,
    },
    Projections {
        lane: usize,
        start: usize,
        length: usize,
    },
    Push {
        messages: Vec<u64>,
    },
    /// Nobody acts on what becomes of it.
    Other,
}

type Answer = Result<Value, String>;

/// A function at work.
struct Actor {
    function: &'static str,
    future: Pin<Box<dyn Future<Output = Answer> + Send>>,
    flag: Arc<Flag>,
    deadline: Duration,
    purpose: Purpose,
}

struct Flag {
    woken: AtomicBool,
    bell: Arc<Notify>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }
}

pub struct Run {
    pub world: Shared,
    pub clients: Clients,
    pub triggers: Triggers,
    functions: BTreeMap<&'static str, Hosted>,
    actors: BTreeMap<Invocation, Actor>,
    bell: Arc<Notify>,
    invocations: Invocation,
}

/// What a run is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub commands: usize,
    /// Steps after which nothing fails any more, for shrinking.
    pub stormy_steps: usize,
    pub plant: Option<Plant>,
}

/// Carries a plan out.
pub fn run(plan: Plan) -> Evidence {
    // A table, clients and timers of their own; the SDKs' jitter is this thread's.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    // All functions share one task here: none may use up the others' turns.
    runtime.block_on(tokio::task::unconstrained(async {
        let mut run = Run::start(plan).await;
        run.storm(plan.stormy_steps).await;
        run.calm().await;
        run.actors.clear();
        let mut world = run.world.lock();
        Evidence {
            history: std::mem::take(&mut world.history),
            items: world.items(),
            master_key: world.master_key,
        }
    }))
}

impl Run {
    async fn start(plan: Plan) -> Self {
        let table = SPEC.tables.first().expect("the template declares the table");
        let database = services::database(&table.create);
        let mut world = World::new(plan.seed, plan.plant, database, &table.name);
        let keys = functions::put_secrets(&mut world);
        for function in SPEC.functions.values() {
            let most = world.weather.skew_ms;
            let skew = world.rng.range(-most, most);
            let name = functions::name_of(&function.crate_name);
            world.skew_ms.extend(name.map(|name| (name, skew)));
        }
        let client_rng = world.rng.fork(2);
        let world = Shared(Arc::new(std::sync::Mutex::new(world)));
        let (functions, starting) = functions::build(&world);
        let keys = JwtKeys::from_json(&keys).expect("usable keys");
        let mut run = Self {
            world,
            clients: Clients::new(client_rng, keys, plan.commands),
            triggers: Triggers::default(),
            functions,
            actors: BTreeMap::new(),
            bell: Arc::new(Notify::new()),
            invocations: 0,
        };
        // Cold starts, before anything can fail.
        for (function, deps) in starting {
            let ready = async move {
                deps.ready().await.map(|()| Value::Null).map_err(|error| error.to_string())
            };
            let by = run.next_invocation();
            run.enter(by, function, Box::pin(ready), Purpose::Other, Duration::MAX);
            while run.actors.contains_key(&by) {
                run.settle().await;
                let waiting: Vec<u64> = run.world.lock().parked.keys().copied().collect();
                waiting.into_iter().for_each(|ticket| run.pass(ticket));
            }
        }
        run
    }

    pub const fn next_invocation(&mut self) -> Invocation {
        self.invocations += 1;
        self.invocations
    }

    /// Starts a function with an event.
    pub fn invoke(&mut self, by: Invocation, function: &'static str, event: Value, why: Purpose) {
        let Hosted { function: code, timeout, .. } = self.functions[function].clone();
        let mut context = runtime::Context::default();
        context.request_id = format!("request-{by}");
        let call = async move {
            let called = AssertUnwindSafe(code.call(LambdaEvent::new(event, context)));
            match called.catch_unwind().await {
                Ok(answer) => answer.map_err(|error| format!("failed: {error}")),
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text =
                        text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
                    Err(format!("panicked: {}", text.unwrap_or_default()))
                }
            }
        };
        self.enter(by, function, Box::pin(call), why, timeout);
    }

    fn enter(
        &mut self,
        by: Invocation,
        function: &'static str,
        future: Pin<Box<dyn Future<Output = Answer> + Send>>,
        purpose: Purpose,
        timeout: Duration,
    ) {
        let flag = Flag { woken: AtomicBool::new(true), bell: Arc::clone(&self.bell) };
        let deadline = self.world.lock().elapsed.saturating_add(timeout);
        self.actors.insert(by, Actor { function, future, flag: Arc::new(flag), deadline, purpose });
    }

    /// Lets everybody run who can, until each waits.
    async fn settle(&mut self) {
        loop {
            let woken = self
                .actors
                .iter()
                .find(|(_, actor)| actor.flag.woken.load(Ordering::SeqCst))
                .map(|(by, _)| *by);
            let Some(by) = woken else { return };
            self.poll(by).await;
        }
    }

    async fn poll(&mut self, by: Invocation) {
        loop {
            let actor = self.actors.get_mut(&by).expect("it is at work");
            actor.flag.woken.store(false, Ordering::SeqCst);
            self.world.lock().current = (by, actor.function);
            let waker = Waker::from(Arc::clone(&actor.flag));
            let polled = actor.future.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(answer) = polled {
                let actor = self.actors.remove(&by).expect("it was at work");
                return self.finished(by, actor, answer);
            }
            if actor.flag.woken.load(Ordering::SeqCst) {
                continue;
            }
            let (flag, function) = (Arc::clone(&actor.flag), actor.function);
            if self.waits(by) {
                return;
            }
            // It hashes a password, pauses in real time, or waits for another function
            // that fetches a secret. Nobody else moves before the first two are over.
            if function == "push" {
                let woken = async {
                    while !flag.woken.load(Ordering::SeqCst) {
                        self.bell.notified().await;
                    }
                };
                if tokio::time::timeout(REAL_PATIENCE, woken).await.is_err() {
                    let why = format!("invocation {by} waits for nothing");
                    return self.world.lock().note(Event::Stuck { why });
                }
                continue;
            }
            // The one thread for such work does this after all that came before.
            tokio::task::spawn_blocking(|| ()).await.expect("nothing panics");
            if !flag.woken.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Whether the run decides when it goes on: it has a call parked or a timer set.
    fn waits(&self, by: Invocation) -> bool {
        let world = self.world.lock();
        world.parked.values().any(|parked| parked.call.by == by)
            || world.timers.values().any(|(whose, _)| *whose == by)
    }

    fn finished(&mut self, by: Invocation, actor: Actor, answer: Answer) {
        let Actor { purpose, .. } = actor;
        self.world.lock().storms.remove(&by);
        match purpose {
            Purpose::Client { command } => self.answered(by, command, answer),
            Purpose::Connect { socket } => self.connected(&socket, &answer),
            Purpose::Message { socket } => {
                self.returned(by, &answer);
                // The line is dead: the client notices and hangs up.
                if answer.is_ok_and(|answer| answer["statusCode"] == 410) {
                    self.hang_up(&socket);
                }
            }
            Purpose::Outbox { start, length } => {
                self.returned(by, &answer);
                self.outbox_returned(start, length, answer.ok().as_ref());
            }
            Purpose::Projections { lane, start, length } => {
                self.returned(by, &answer);
                self.projections_returned(lane, start, length, answer.ok().as_ref());
            }
            Purpose::Push { messages } => {
                self.returned(by, &answer);
                self.push_returned(&messages, answer.ok().as_ref());
            }
            Purpose::Other => {}
        }
    }

    fn returned(&self, by: Invocation, answer: &Answer) {
        let (answer, failure) = (answer.as_ref().ok().cloned(), answer.as_ref().err().cloned());
        self.world.lock().note(Event::Returned { by, answer, failure });
    }

    fn hang_up(&self, socket: &str) {
        let mut world = self.world.lock();
        if let Some(end) = world.sockets.get_mut(socket)
            && end.state == SocketState::Open
        {
            end.state = SocketState::Closed;
            world.note(Event::Closed { socket: socket.to_owned() });
        }
    }

    /// Ends a function where it stands.
    fn crash(&mut self, by: Invocation, why: &str) {
        let actor = self.actors.remove(&by).expect("it is at work");
        let Actor { function, future, purpose, .. } = actor;
        self.world.lock().current = (by, function);
        drop(future);
        let fallen = Actor {
            function,
            future: Box::pin(std::future::pending()),
            flag: Arc::new(Flag { woken: AtomicBool::new(false), bell: Arc::clone(&self.bell) }),
            deadline: Duration::MAX,
            purpose,
        };
        self.finished(by, fallen, Err(why.to_owned()));
    }

    /// The time of commands, faults and crashes.
    async fn storm(&mut self, steps: usize) {
        let mut after = 0;
        for _ in 0..steps {
            self.settle().await;
            if !self.has_client_work() && self.actors.is_empty() && self.triggers_idle() {
                return;
            }
            self.step();
            after += usize::from(self.clients.left == 0);
            if after > AFTERMATH {
                return;
            }
        }
    }

    /// Nothing fails any more. Clients insist, triggers deliver what is left, and
    /// sockets ask for what they have missed.
    async fn calm(&mut self) {
        {
            let mut world = self.world.lock();
            world.calm = true;
            world.storms.clear();
            world.note(Event::Calm);
        }
        self.clients.left = 0;
        while self.take_effect_late() {}
        self.rest().await;
        self.start_repair();
        self.rest().await;
        for _ in 0..3 {
            let mut asked = Vec::new();
            for socket in self.open_sockets() {
                asked.push(socket.clone());
                self.sync(&socket);
            }
            self.rest().await;
            if asked.iter().all(|socket| self.open_sockets().contains(socket)) {
                return;
            }
        }
    }

    /// Goes on until there is nothing left to do.
    async fn rest(&mut self) {
        for _ in 0..STEPS {
            self.settle().await;
            if !self.has_client_work() && self.actors.is_empty() && self.triggers_idle() {
                return;
            }
            self.step();
        }
        self.world.lock().note(Event::Stuck { why: "the run does not come to rest".to_owned() });
    }

    /// One decision of the scheduler.
    fn step(&mut self) {
        let mut world = self.world.lock();
        let weather = world.weather.clone();
        let calm = world.calm;
        if !calm && world.rng.chance(weather.days) {
            return Self::days_pass(&mut world);
        }
        let crash = !calm && !self.actors.is_empty() && world.rng.chance(weather.crashes);
        if crash {
            let at = world.rng.index(self.actors.len());
            drop(world);
            let by = *self.actors.keys().nth(at).expect("an actor");
            return self.crash(by, "crashed");
        }
        let odd = if calm { 0 } else { world.rng.below(1000) };
        let parked: Vec<u64> = world.parked.keys().copied().collect();
        drop(world);
        if odd > 985 && self.take_effect_late() {
            return;
        }
        if (970..=985).contains(&odd) {
            return self.pass_time();
        }
        if (966..970).contains(&odd) && !self.clients.players.is_empty() {
            return self.start_repair();
        }
        if (956..966).contains(&odd) {
            let open = self.open_sockets();
            if !open.is_empty() {
                let socket = self.clients.rng.pick(&open).clone();
                return if odd < 960 { self.close(&socket) } else { self.sync(&socket) };
            }
        }
        let client = self.has_client_work();
        let trigger = self.triggers_ready();
        let weights = [
            if parked.is_empty() { 0 } else { 12 },
            if client { 4 } else { 0 },
            if trigger.is_empty() { 0 } else { 3 },
        ];
        let mut draw = self.world.lock().rng.below(weights.iter().sum());
        if weights.iter().sum::<u64>() == 0 {
            return self.next_timer();
        }
        for (choice, weight) in weights.into_iter().enumerate() {
            if draw >= weight {
                draw -= weight;
                continue;
            }
            return match choice {
                0 => {
                    let ticket = *self.world.lock().rng.pick(&parked);
                    self.decide(ticket);
                }
                1 => self.start_client(),
                _ => {
                    let which = *self.world.lock().rng.pick(&trigger);
                    self.deliver(which);
                }
            };
        }
    }

    fn days_pass(world: &mut World) {
        const DAY: i64 = 86_400_000;
        let now = world.now_ms();
        let to_midnight = DAY - now.rem_euclid(DAY);
        let jump = match world.rng.below(10) {
            0..=4 => to_midnight - world.rng.range(0, 2_500),
            5..=6 => to_midnight + world.rng.range(0, 600_000),
            7 => DAY + world.rng.range(0, 3_600_000),
            8 => world.rng.range(600_000, 20_000_000),
            _ => DAY * world.rng.range(2, 4),
        };
        world.origin_ms += jump.max(0);
        let now_ms = world.now_ms();
        world.note(Event::Clock { now_ms });
    }

    /// Some virtual time passes while calls wait: attempts may time out.
    fn pass_time(&mut self) {
        let by = {
            let mut world = self.world.lock();
            let millis = *world.rng.pick(&[5, 50, 400, 1_100, 3_500]);
            world.elapsed + Duration::from_millis(millis)
        };
        self.advance(by);
    }

    /// Nothing can happen before the next timer.
    fn next_timer(&mut self) {
        let next = self.world.lock().timers.keys().next().map(|(at, _)| *at);
        match next {
            Some(at) => self.advance(at),
            None if self.actors.is_empty() => {}
            None => {
                let why = "functions wait, and nothing will wake them".to_owned();
                self.world.lock().note(Event::Stuck { why });
                self.actors.clear();
            }
        }
    }

    fn advance(&mut self, to: Duration) {
        let mut woken = Vec::new();
        {
            let mut world = self.world.lock();
            world.elapsed = world.elapsed.max(to);
            let due: Vec<_> = world.timers.range(..=(to, u64::MAX)).map(|(key, _)| *key).collect();
            for key in due {
                woken.extend(world.timers.get_mut(&key).and_then(|(_, waker)| waker.take()));
            }
        }
        woken.into_iter().for_each(Waker::wake);
        let overdue = |(by, actor): (&Invocation, &Actor)| (actor.deadline <= to).then_some(*by);
        let overdue: Vec<_> = self.actors.iter().filter_map(overdue).collect();
        for by in overdue {
            self.crash(by, "ran out of time");
        }
    }

    /// A request whose caller has gone reaches its service after all.
    fn take_effect_late(&mut self) -> bool {
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
    fn decide(&mut self, ticket: u64) {
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
    fn pass(&self, ticket: u64) {
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
        if unheard && !happened && self.rng.chance(150) {
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
