//! One whole product: engines, functions, triggers and gateways, on one port.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use runtime::{Clock, Entropy, Streamed};
use serde_json::Value;
use store::Store;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
};

use crate::{
    adapters::Adapters,
    engine::{Endpoint, Engine, trim_streams},
    gateway::Gateway,
    invoke::{InvokeError, Invoker},
    lambda::Pool,
    local::Local,
    parameters::{self, Parameters},
    payments,
    runner::Runner,
    spec::Spec,
    template::{self, Pseudo},
    triggers::{MappingStatus, Parts, SystemTime, Triggers},
};

/// How often expired items are removed. AWS promises days.
const TTL_SWEEP: Duration = Duration::from_mins(1);

/// How a stack is to be.
#[derive(Clone)]
pub struct Options {
    /// 0 for any free port.
    pub port: u16,
    /// Where state is kept; `None` for memory.
    pub data: Option<PathBuf>,
    /// A ClickHouse server to load events into; `None` switches loading off.
    pub clickhouse_url: Option<String>,
    /// Runs every function as a process, from `<directory>/<name>/bootstrap`;
    /// `None` runs them in this one. Processes go by the machine's clock and dice.
    pub bootstraps: Option<PathBuf>,
    /// Whether triggers and schedules run; without them nobody invokes functions
    /// but callers of the APIs and of [`Stack::invoke`].
    pub triggers: bool,
    /// Template parameters besides those of the `dev` stage.
    pub parameters: Parameters,
    /// How long the simulated payment provider takes for things.
    pub payment_delays: provider::Delays,
    /// Who lets its time pass.
    pub payment_pace: provider::Pace,
    /// Who stands between everything and the functions: for tests in which
    /// invocations go wrong.
    pub between: Option<Between>,
    pub clock: Clock,
    pub entropy: Entropy,
}

/// Makes another invoker of one.
pub type Between = Arc<dyn Fn(Arc<dyn Invoker>) -> Arc<dyn Invoker> + Send + Sync>;

impl Default for Options {
    /// In memory, on any port, with the machine's clock and dice.
    fn default() -> Self {
        Self {
            port: 0,
            data: None,
            clickhouse_url: None,
            bootstraps: None,
            triggers: true,
            parameters: Parameters::new(),
            payment_delays: provider::Delays::default(),
            payment_pace: provider::Pace::ByItself,
            between: None,
            clock: Clock::system(),
            entropy: Entropy::system(),
        }
    }
}

/// A running stack. Dropping it stops everything at once; [`Stack::shutdown`]
/// finishes what is in flight.
pub struct Stack {
    /// `http://127.0.0.1:<port>`
    pub base_url: String,
    /// `ws://127.0.0.1:<port>/realtime`
    pub socket_url: String,
    spec: Spec,
    engine: Arc<Engine>,
    functions: Arc<dyn Invoker>,
    /// For functions that are processes.
    endpoint: Option<Endpoint>,
    triggers: Arc<Triggers>,
    provider: provider::Running,
    stop_gateway: Option<oneshot::Sender<()>>,
    gateway: JoinHandle<()>,
    sweeper: AbortHandle,
}

impl Stack {
    /// Starts a stack; it serves when this returns.
    ///
    /// # Errors
    /// The port is taken, the template or the data cannot be read, or a function
    /// refuses its configuration.
    pub async fn start(options: Options) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .with_context(|| format!("port {} is not free", options.port))?;
        let host = format!("127.0.0.1:{}", listener.local_addr()?.port());
        if let Some(data) = &options.data {
            std::fs::create_dir_all(data).with_context(|| data.display().to_string())?;
        }
        let secrets = parameters::secrets(options.data.as_deref(), &options.entropy)?;
        let provider = payments::start(&options, &format!("http://{host}"), &secrets).await?;
        let spec = spec(&options, &host, &provider.url)?;
        let engine = Engine::open(options.data.as_deref(), &spec)?;
        if let Some(data) = &options.data {
            trim_streams(data, options.clock.now())?;
        }
        put_secrets(&secrets, &spec, &engine)?;
        let (mut functions, endpoint) = functions(&options, &spec, &engine).await?;
        if let Some(between) = &options.between {
            functions = between(functions);
        }
        let adapters = Arc::new(Adapters::new(&engine, &spec));
        let parts = Parts {
            invoker: Arc::clone(&functions),
            sources: adapters.clone(),
            checkpoints: adapters.clone(),
            destination: adapters,
            time: Arc::new(SystemTime),
            pseudo: Pseudo::default(),
        };
        let triggers = Arc::new(Triggers::start(&spec, parts).await?);
        let gateway =
            Gateway::new(&spec, &engine, Arc::clone(&functions)).with_local(Arc::new(Local {
                triggers: Arc::clone(&triggers),
                engine: Arc::clone(&engine),
            }));
        let (stop_gateway, stopped) = oneshot::channel();
        let gateway = tokio::spawn(gateway.serve(listener, async {
            // A dropped stack stops its gateway, too.
            let _ = stopped.await;
        }));
        Ok(Self {
            base_url: format!("http://{host}"),
            socket_url: format!("ws://{host}/realtime"),
            sweeper: sweep_expired(Arc::clone(&engine)),
            spec,
            engine,
            functions,
            endpoint,
            triggers,
            provider,
            stop_gateway: Some(stop_gateway),
            gateway,
        })
    }

    /// What the template declares.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The in-process AWS, for metering and faults.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The in-process AWS as functions reach it that are processes; `None` when
    /// they run in this one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// The simulated payment provider. It is there even if the parameters name
    /// another one, and then nobody asks it.
    #[must_use]
    pub fn provider(&self) -> &provider::Running {
        &self.provider
    }

    /// The table, as the functions see it; `caller` names this user to the meter.
    ///
    /// # Panics
    /// When the template declares no table.
    #[must_use]
    pub fn store(&self, caller: &str) -> Store {
        let table = self.spec.tables.first().expect("the template declares the table");
        Store::new(&self.engine.sdk_config_for(caller), &table.name)
    }

    /// Invokes a function by its logical id, with an event as AWS would send it.
    ///
    /// # Errors
    /// What Lambda would report.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, InvokeError> {
        self.functions.invoke(function, event).await
    }

    /// Invokes a function that streams, likewise.
    ///
    /// # Errors
    /// What Lambda would report until its answer begins.
    pub async fn open(&self, function: &str, event: Value) -> Result<Streamed, InvokeError> {
        self.functions.open(function, event).await
    }

    /// Runs a schedule now; by its name, function or crate.
    ///
    /// # Errors
    /// No such schedule, or the function failed.
    pub async fn run_now(&self, schedule: &str) -> Result<Value> {
        self.triggers.run_now(schedule).await
    }

    /// Waits until every trigger has delivered everything.
    ///
    /// # Errors
    /// The triggers that lag after `within`.
    pub async fn settled(&self, within: Duration) -> Result<(), Vec<MappingStatus>> {
        self.triggers.settled(within).await
    }

    /// Stops accepting, finishes what is in flight, closes the sockets.
    ///
    /// # Errors
    /// The gateway broke.
    pub async fn shutdown(mut self) -> Result<()> {
        drop(self.stop_gateway.take());
        (&mut self.gateway).await?;
        self.triggers.shutdown().await;
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.sweeper.abort();
        self.gateway.abort();
        self.triggers.abort();
    }
}

/// Puts in place every secret that a function of the template asks for.
fn put_secrets(values: &Parameters, spec: &Spec, engine: &Engine) -> Result<()> {
    let variables = spec.functions.values().flat_map(|function| &function.env);
    for (_, name) in variables.filter(|(variable, _)| variable.ends_with("_SECRET")) {
        // casino-club/<stage>/<what>
        let what = name.rsplit('/').next().unwrap_or(name);
        let value = values.get(what).with_context(|| format!("nobody makes the secret {name}"))?;
        engine.put_secret(name, value);
    }
    Ok(())
}

/// The functions, in this process or in their own, and what the latter need.
async fn functions(
    options: &Options,
    spec: &Spec,
    engine: &Arc<Engine>,
) -> Result<(Arc<dyn Invoker>, Option<Endpoint>)> {
    let Some(bootstraps) = &options.bootstraps else {
        let runner = Runner::new(spec, engine, &options.clock, &options.entropy).await?;
        return Ok((Arc::new(runner), None));
    };
    let endpoint = Endpoint::start(engine).await?;
    let pool = Pool::new(spec, bootstraps, &endpoint.url)?;
    Ok((Arc::new(pool), Some(endpoint)))
}

fn spec(options: &Options, host: &str, provider_url: &str) -> Result<Spec> {
    let mut given = parameters::of_dev_stage()?;
    given.insert("SocketUrl".to_owned(), format!("ws://{host}/realtime"));
    given.insert("SocketEndpoint".to_owned(), format!("http://{host}/realtime"));
    given.insert("PaymentProviderUrl".to_owned(), provider_url.to_owned());
    // Receivers are on this machine, too. Not in the stage's own parameters: on AWS a
    // function's loopback is where Lambda's Runtime API is.
    given.insert("WebhookReach".to_owned(), "loopback".to_owned());
    if let Some(url) = &options.clickhouse_url {
        given.insert("ClickHouseUrl".to_owned(), url.clone());
    }
    given.extend(options.parameters.clone());
    let path = parameters::root().join("template.yaml");
    let mut spec = template::load(&path, &given, &Pseudo::default())?;
    if !options.triggers {
        spec.mappings.iter_mut().for_each(|mapping| mapping.enabled = false);
        spec.schedules.iter_mut().for_each(|schedule| schedule.enabled = false);
    }
    Ok(spec)
}

/// Removes expired items now and then, as DynamoDB does.
#[expect(clippy::disallowed_methods, reason = "a period is what is waited for")]
fn sweep_expired(engine: Arc<Engine>) -> AbortHandle {
    let sweeping = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TTL_SWEEP).await;
            if let Err(error) = engine.with_database(|database| database.sweep_ttl()).await {
                tracing::warn!(%error, "expired items stay for now");
            }
        }
    });
    sweeping.abort_handle()
}
