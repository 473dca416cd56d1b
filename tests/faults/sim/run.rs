//! One run: a seed, and everything that follows from it.
//!
//! One thread. A function runs until each of its calls waits at the wire or for
//! virtual time; then the scheduler, by the seed, lets one call take effect, fail
//! or wait longer, starts something else, lets time pass, or crashes somebody. So
//! every interleaving at every await that matters is a matter of the seed.

mod fates;
mod rest;
mod steps;

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures::FutureExt;
use runtime::{LambdaEvent, auth::JwtKeys};
use serde_json::Value;

use crate::{
    clients::{Clients, Known},
    functions::{self, Hosted, SPEC},
    history::{Event, Evidence, Invocation},
    plant::Plant,
    provider::Notice,
    services,
    triggers::Triggers,
    world::{Shared, SocketState, World},
};

/// A run that has not come to rest after so many steps, and so many more for each
/// command, never will: twice what any took that did.
const STEPS: (usize, usize) = (9_000, 90);

/// Steps of faults once every command has been sent.
const AFTERMATH: usize = 300;

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
    Rows {
        start: usize,
        length: usize,
        /// Of a second invocation at once the trigger hears nothing.
        heard: bool,
    },
    Push {
        messages: Vec<u64>,
    },
    /// The payment provider tells of a payment.
    Notice {
        notice: Notice,
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
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
    }
}

pub struct Run {
    pub world: Shared,
    pub clients: Clients,
    pub triggers: Triggers,
    functions: BTreeMap<&'static str, Hosted>,
    actors: BTreeMap<Invocation, Actor>,
    invocations: Invocation,
    /// Steps that are left before the run counts as stuck.
    patience: usize,
}

/// What a run is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub commands: usize,
    /// Steps after which nothing fails any more, for shrinking.
    pub stormy_steps: usize,
    pub plant: Option<Plant>,
}

impl Plan {
    /// Arguments that do the same again.
    pub fn replay(self) -> String {
        let Self { seed, commands, stormy_steps, plant } = self;
        let mut arguments = format!("--replay {seed} --commands {commands}");
        if stormy_steps != usize::MAX {
            arguments += &format!(" --storm {stormy_steps}");
        }
        if let Some(plant) = plant {
            arguments += &format!(" --planted {}", plant.name());
        }
        arguments
    }
}

/// Steps that a run has. Some defects keep it from ever coming to rest: what they
/// broke shows long before.
fn patience(plan: Plan) -> usize {
    let steps = STEPS.0 + STEPS.1 * plan.commands;
    if plan.plant.is_some() { steps / 2 } else { steps }
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
        let seeded = run.seed().await;
        let patience = run.patience;
        let stormy_steps = run.storm(plan.stormy_steps).await;
        run.calm().await;
        run.actors.clear();
        let mut world = run.world.lock();
        Evidence {
            history: std::mem::take(&mut world.history),
            seeded,
            items: world.items(),
            master_key: world.master_key,
            stormy_steps,
            steps: stormy_steps + patience - run.patience,
        }
    }))
}

impl Run {
    async fn start(plan: Plan) -> Self {
        let table = SPEC.tables.first().expect("the template declares the table");
        let database = services::database(&table.create);
        let mut world = World::new(plan.seed, plan.plant, database, &table.name);
        let keys = functions::put_secrets(&mut world);
        functions::put_fraud_rules(&world);
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
            invocations: 0,
            patience: patience(plan),
        };
        // Cold starts, before anything can fail.
        for (function, deps) in starting {
            let ready = async move {
                deps.ready().await.map(|()| Value::Null).map_err(|error| error.to_string())
            };
            run.undisturbed(function, Box::pin(ready)).await;
        }
        run
    }

    /// Runs something of which nothing fails.
    async fn undisturbed(
        &mut self,
        function: &'static str,
        future: Pin<Box<dyn Future<Output = Answer> + Send>>,
    ) {
        let by = self.next_invocation();
        self.enter(by, function, future, Purpose::Other, Duration::MAX);
        self.world.lock().calm = true;
        while self.actors.contains_key(&by) {
            self.settle().await;
            let waiting: Vec<u64> = self.world.lock().parked.keys().copied().collect();
            waiting.into_iter().for_each(|ticket| self.pass(ticket));
        }
        self.world.lock().calm = false;
    }

    /// Creates the accounts that clients know from the beginning: an admin and a player.
    async fn seed(&mut self) -> [Known; 2] {
        let sown = Arc::new(OnceLock::new());
        let seed = functions::seed(self.world.clone(), Arc::clone(&sown));
        self.undisturbed("seed", Box::pin(seed)).await;
        let sown = Arc::into_inner(sown).and_then(OnceLock::into_inner);
        let seeded = sown.expect("both accounts were created");
        let [admin, player] = seeded.clone();
        (self.clients.admin, self.clients.players) = (admin, vec![player]);
        seeded
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
        let flag = Flag { woken: AtomicBool::new(true) };
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
            let flag = Arc::clone(&actor.flag);
            if self.waits(by) {
                return;
            }
            // It hashes a password, or waits for another function that fetches a secret.
            // Nobody else moves before the first is over: the one thread for such work
            // does this after all that came before.
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
            Purpose::Rows { start, length, heard } => {
                self.returned(by, &answer);
                self.rows_returned(start, length, heard, answer.ok().as_ref());
            }
            Purpose::Push { messages } => {
                self.returned(by, &answer);
                self.push_returned(&messages, answer.ok().as_ref());
            }
            Purpose::Notice { notice } => {
                self.returned(by, &answer);
                self.notice_returned(by, notice, answer.ok().as_ref());
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
            flag: Arc::new(Flag { woken: AtomicBool::new(false) }),
            deadline: Duration::MAX,
            purpose,
        };
        self.finished(by, fallen, Err(why.to_owned()));
    }

    /// The time of commands, faults and crashes; answers with how many steps it had.
    async fn storm(&mut self, steps: usize) -> usize {
        let steps = steps.min(self.patience);
        let mut after = 0;
        for step in 0..steps {
            self.settle().await;
            if self.is_at_rest() || after > AFTERMATH {
                return step;
            }
            self.step();
            after += usize::from(self.clients.left == 0);
        }
        steps
    }
}
