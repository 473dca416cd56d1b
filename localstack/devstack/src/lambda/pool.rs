//! Every function of a template, each with as many environments as it needs.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use super::{instance::Instance, launch::Launch, outcome::Failure};
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
        let Some(hosted) = self.functions.get(function_logical_id).cloned() else {
            return Err(InvokeError::Function {
                error_type: "ResourceNotFoundException".to_owned(),
                message: format!("{function_logical_id} is not running"),
            });
        };
        let payload = Bytes::from(payload.to_string());
        let mut running = self.running.subscribe();
        // An invocation goes on when its caller has left, as on AWS, but not
        // without the pool.
        let invocation = tokio::spawn(async move {
            tokio::select! {
                answer = hosted.invoke(payload) => Some(answer),
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
        let _slot = if self.reserved {
            self.slots.try_acquire().map_err(|_| InvokeError::Throttled)?
        } else {
            self.slots.acquire().await.map_err(|_| InvokeError::Throttled)?
        };
        let answer = self.answer(payload).await.inspect_err(|failure| {
            tracing::error!(function = self.launch.name, %failure, "the invocation failed");
        })?;
        serde_json::from_slice(&answer).map_err(|error| InvokeError::Function {
            error_type: "Runtime.InvalidResponse".to_owned(),
            message: error.to_string(),
        })
    }

    async fn answer(&self, payload: Bytes) -> Result<Bytes, Failure> {
        let mut instance = match self.idle_one() {
            Some(instance) => instance,
            None => Instance::start(&self.launch).await?,
        };
        let answer = instance.invoke(payload).await;
        if answer.as_ref().err().is_none_or(Failure::leaves_it_alive) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
        }
        answer
    }

    /// The one used last, if it has not ended since.
    fn idle_one(&self) -> Option<Instance> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop())
            .find_map(|mut instance| instance.is_alive().then_some(instance))
    }
}
