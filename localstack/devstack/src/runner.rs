//! Lambda: runs functions with the template's environment, timeout and
//! concurrency.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use futures::StreamExt as _;
use runtime::{Clock, Context, Deps, Entropy, Error, Function, LambdaEvent, Streamed};
use serde_json::Value;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tracing::Instrument as _;

use crate::{
    engine::{self, Engine},
    functions::FUNCTIONS,
    invoke::{InvokeError, Invoker, until},
    spec::{FunctionSpec, Spec},
};

/// All functions of a stack, built.
pub struct Runner {
    functions: HashMap<String, Hosted>,
}

struct Hosted {
    name: String,
    function: Function,
    timeout: Duration,
    /// `ReservedConcurrentExecutions`.
    slots: Option<Arc<Semaphore>>,
}

impl Runner {
    /// Builds every function that the template declares.
    ///
    /// # Errors
    /// A function has no crate, or refuses its configuration.
    pub async fn new(
        spec: &Spec,
        engine: &Arc<Engine>,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self> {
        let mut functions = HashMap::new();
        for (id, declared) in &spec.functions {
            let env = environment(declared).into_iter().collect();
            let deps =
                Deps::new(env, clock.clone(), entropy.clone()).with_aws(engine.sdk_config_for(id));
            let build = FUNCTIONS
                .iter()
                .find(|(name, _)| *name == declared.crate_name)
                .map(|(_, build)| build)
                .with_context(|| {
                    format!(
                        "template.yaml names {id}, but no crate {} is compiled in",
                        declared.crate_name
                    )
                })?;
            // A function whose optional dependency is switched off is not built; the
            // template has disabled what would invoke it. Callers of the API would.
            let called = spec.http_routes.iter().any(|route| route.function == *id);
            if !called && declared.env.get("CLICKHOUSE_URL").is_some_and(String::is_empty) {
                continue;
            }
            let function = build(deps.clone())
                .map_err(|error| anyhow::anyhow!("{error}"))
                .with_context(|| format!("starting {id}"))?;
            deps.ready().await.with_context(|| format!("starting {id}"))?;
            let hosted = Hosted {
                name: declared.crate_name.clone(),
                function,
                timeout: declared.timeout,
                slots: declared.reserved_concurrency.map(Semaphore::new).map(Arc::new),
            };
            functions.insert(id.clone(), hosted);
        }
        Ok(Self { functions })
    }
}

/// The template's variables and those that Lambda sets itself.
fn environment(function: &FunctionSpec) -> BTreeMap<String, String> {
    let mut env = function.env.clone();
    env.insert("AWS_REGION".to_owned(), engine::REGION.to_owned());
    env.insert("AWS_LAMBDA_FUNCTION_NAME".to_owned(), function.crate_name.clone());
    env.insert("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), function.memory_mb.to_string());
    env
}

#[async_trait]
impl Invoker for Runner {
    async fn invoke(
        &self,
        function_logical_id: &str,
        payload: Value,
    ) -> Result<Value, InvokeError> {
        let hosted = self.hosted(function_logical_id)?;
        let _slot = hosted.slot()?;
        let deadline = Instant::now() + hosted.timeout;
        let call = hosted.function.call(LambdaEvent::new(payload, context(hosted)));
        hosted.answer_by(deadline, call).await
    }

    /// The function ends with its reader here; on AWS nobody tells it.
    async fn open(
        &self,
        function_logical_id: &str,
        payload: Value,
    ) -> Result<Streamed, InvokeError> {
        let hosted = self.hosted(function_logical_id)?;
        let slot = hosted.slot()?;
        let deadline = Instant::now() + hosted.timeout;
        let call = hosted.function.open(LambdaEvent::new(payload, context(hosted)));
        let streamed = hosted.answer_by(deadline, call).await?;
        // The slot is given back with the body.
        let body = until(deadline, streamed.stream).map(move |piece| {
            let _ = &slot;
            piece
        });
        Ok(Streamed { metadata_prelude: streamed.metadata_prelude, stream: body.boxed() })
    }
}

impl Runner {
    fn hosted(&self, function_logical_id: &str) -> Result<&Hosted, InvokeError> {
        let hosted = self.functions.get(function_logical_id);
        hosted.ok_or_else(|| InvokeError::not_running(function_logical_id))
    }
}

impl Hosted {
    /// One of the invocations that may be under way at once.
    fn slot(&self) -> Result<Option<OwnedSemaphorePermit>, InvokeError> {
        let slots = self.slots.as_ref();
        let slot = slots.map(|slots| Arc::clone(slots).try_acquire_owned()).transpose();
        slot.map_err(|_| InvokeError::Throttled)
    }

    async fn answer_by<T>(
        &self,
        deadline: Instant,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, InvokeError> {
        let span = tracing::info_span!("lambda", function = self.name);
        match timeout_at(deadline, call.instrument(span.clone())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                span.in_scope(|| tracing::error!(%error, "the function failed"));
                Err(InvokeError::Function {
                    error_type: runtime::error_type(&error).to_owned(),
                    message: error.to_string(),
                })
            }
            Err(_) => {
                span.in_scope(
                    || tracing::error!(timeout = ?self.timeout, "the function timed out"),
                );
                Err(InvokeError::Timeout)
            }
        }
    }
}

fn context(hosted: &Hosted) -> Context {
    let deadline = engine::now().as_millisecond().unsigned_abs()
        + u64::try_from(hosted.timeout.as_millis()).unwrap_or(u64::MAX);
    let mut context = Context::default();
    context.request_id = engine::fresh_id().to_string();
    context.deadline = deadline;
    context.invoked_function_arn =
        format!("arn:aws:lambda:{}:{}:function:{}", engine::REGION, engine::ACCOUNT, hosted.name);
    context
}
