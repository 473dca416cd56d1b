//! Every function of a template, each with as many environments as it needs.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use runtime::{Error, StreamResponse, Streamed};
use serde_json::Value;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::timeout_at,
};

use super::{
    instance::{Instance, Opened},
    launch::Launch,
    outcome::Failure,
};
use crate::{
    invoke::{InvokeError, Invoker},
    spec::Spec,
};

/// Environments of one function: what AWS gives an account is 1000 for all. More
/// invocations than this wait for their turn.
const ENVIRONMENTS: usize = 8;

/// Runs functions as processes. Dropping it ends all of them.
pub struct Pool {
    functions: HashMap<String, Arc<Hosted>>,
    /// Dropped with the pool, which ends what is under way.
    running: watch::Sender<()>,
}

struct Hosted {
    launch: Launch,
    slots: Arc<Semaphore>,
    /// `ReservedConcurrentExecutions`: beyond it, invocations are refused.
    reserved: bool,
    idle: Mutex<Vec<Instance>>,
}

impl Pool {
    /// Every function of `spec` from `<bootstraps>/<name>/bootstrap`, with the AWS
    /// under `aws_url`. Environments are started when they are needed.
    ///
    /// # Errors
    /// A binary is missing.
    pub fn new(spec: &Spec, bootstraps: &Path, aws_url: &str) -> Result<Self> {
        let mut functions = HashMap::new();
        for (id, declared) in &spec.functions {
            let reserved = declared.reserved_concurrency;
            let hosted = Hosted {
                launch: Launch::new(declared, bootstraps, aws_url)?,
                slots: Arc::new(Semaphore::new(reserved.unwrap_or(ENVIRONMENTS))),
                reserved: reserved.is_some(),
                idle: Mutex::default(),
            };
            functions.insert(id.clone(), Arc::new(hosted));
        }
        Ok(Self { functions, running: watch::Sender::default() })
    }
}

#[async_trait]
impl Invoker for Pool {
    async fn invoke(
        &self,
        function_logical_id: &str,
        payload: Value,
    ) -> Result<Value, InvokeError> {
        let hosted = self.hosted(function_logical_id)?;
        let payload = Bytes::from(payload.to_string());
        self.outlive_the_caller(async move { hosted.invoke(payload).await }).await
    }

    async fn open(
        &self,
        function_logical_id: &str,
        payload: Value,
    ) -> Result<Streamed, InvokeError> {
        let hosted = self.hosted(function_logical_id)?;
        let payload = Bytes::from(payload.to_string());
        let running = self.running.subscribe();
        self.outlive_the_caller(async move { hosted.open(payload, running).await }).await
    }
}

impl Pool {
    fn hosted(&self, function_logical_id: &str) -> Result<Arc<Hosted>, InvokeError> {
        let hosted = self.functions.get(function_logical_id).cloned();
        hosted.ok_or_else(|| InvokeError::not_running(function_logical_id))
    }

    /// An invocation goes on when its caller has left, as on AWS, but not without the pool.
    async fn outlive_the_caller<T: Send + 'static>(
        &self,
        invocation: impl Future<Output = Result<T, InvokeError>> + Send + 'static,
    ) -> Result<T, InvokeError> {
        let mut running = self.running.subscribe();
        let invocation = tokio::spawn(async move {
            tokio::select! {
                answer = invocation => Some(answer),
                _ = running.changed() => None,
            }
        });
        match invocation.await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => Err(InvokeError::Function {
                error_type: "ServiceException".to_owned(),
                message: "Lambda is shutting down".to_owned(),
            }),
        }
    }
}

impl Hosted {
    async fn invoke(&self, payload: Bytes) -> Result<Value, InvokeError> {
        let _slot = self.slot().await?;
        let answer = self.answer(payload).await.inspect_err(|failure| self.log(failure))?;
        serde_json::from_slice(&answer).map_err(|error| InvokeError::Function {
            error_type: "Runtime.InvalidResponse".to_owned(),
            message: error.to_string(),
        })
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, InvokeError> {
        let slots = Arc::clone(&self.slots);
        if self.reserved {
            return slots.try_acquire_owned().map_err(|_| InvokeError::Throttled);
        }
        slots.acquire_owned().await.map_err(|_| InvokeError::Throttled)
    }

    fn log(&self, failure: &Failure) {
        tracing::error!(function = self.launch.name, %failure, "the invocation failed");
    }

    async fn answer(&self, payload: Bytes) -> Result<Bytes, Failure> {
        let mut instance = self.one().await?;
        let answer = instance.invoke(payload).await;
        if answer.as_ref().err().is_none_or(Failure::leaves_it_alive) {
            self.keep(instance);
        }
        answer
    }

    /// The answer of a function that streams. Its process is under way until the body has
    /// ended, whoever reads it.
    async fn open(
        self: Arc<Self>,
        payload: Bytes,
        mut running: watch::Receiver<()>,
    ) -> Result<Streamed, InvokeError> {
        let slot = self.slot().await?;
        let mut instance = self.one().await.inspect_err(|failure| self.log(failure))?;
        let opened = match instance.open(payload).await {
            Ok(opened) => opened,
            Err(failure) => {
                self.log(&failure);
                if failure.leaves_it_alive() {
                    self.keep(instance);
                }
                return Err(failure.into());
            }
        };
        let metadata_prelude = opened.head.clone();
        let (pieces, given) = mpsc::channel(1);
        tokio::spawn(async move {
            let deadline = opened.deadline;
            let ended = tokio::select! {
                ended = timeout_at(deadline, forward(opened, &pieces)) => ended,
                _ = running.changed() => return,
            };
            let function = &self.launch.name;
            let failure: Error = match ended {
                Ok(Ok(())) => return self.keep(instance),
                Ok(Err(broken)) => {
                    tracing::error!(function, %broken, "the function broke its answer off");
                    broken.into()
                }
                Err(late) => {
                    tracing::error!(function, "the function timed out while it answered");
                    late.into()
                }
            };
            instance.end().await;
            // Before whoever reads is told, who may be slow to.
            drop(slot);
            drop(pieces.send(Err(failure)).await);
        });
        let stream = stream::unfold(given, async |mut given| Some((given.recv().await?, given)));
        Ok(StreamResponse { metadata_prelude, stream: stream.boxed() })
    }

    async fn one(&self) -> Result<Instance, Failure> {
        match self.idle_one() {
            Some(instance) => Ok(instance),
            None => Instance::start(&self.launch).await,
        }
    }

    fn keep(&self, instance: Instance) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
    }

    /// The one used last, if it has not ended since.
    fn idle_one(&self) -> Option<Instance> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop())
            .find_map(|mut instance| instance.is_alive().then_some(instance))
    }
}

/// Passes a body on to its end; when nobody reads it any more, to nobody.
async fn forward(
    mut opened: Opened,
    pieces: &mpsc::Sender<Result<Bytes, Error>>,
) -> Result<(), hyper::Error> {
    while let Some(piece) = opened.next().await {
        drop(pieces.send(Ok(piece?)).await);
    }
    Ok(())
}
