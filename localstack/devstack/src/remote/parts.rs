//! A deployment as the triggers want it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    streams::{Kind, Stream},
    wire::{Client, Service},
};
use crate::{
    invoke::{InvokeError, Invoker},
    spec::Source,
    triggers::{Checkpoints, Destination, Queue, ShardSource, Sources},
};

/// One deployment, as sources, destination, checkpoints and invoker.
pub struct Remote {
    client: Client,
    /// Names by logical ids.
    functions: BTreeMap<String, String>,
    /// By mapping and shard.
    positions: Mutex<HashMap<(String, String), String>>,
}

impl Remote {
    pub fn new(client: Client, functions: BTreeMap<String, String>) -> Self {
        Self { client, functions, positions: Mutex::default() }
    }
}

impl Sources for Remote {
    fn stream(&self, source: &Source) -> Result<Arc<dyn ShardSource>> {
        let kind = match source {
            Source::TableStream { table } => Kind::Table(table.clone()),
            Source::Kinesis { stream } => Kind::Kinesis(stream.clone()),
            Source::Queue { queue } => bail!("{queue} is a queue, not a stream"),
        };
        Ok(Arc::new(Stream::new(self.client.clone(), kind)))
    }

    fn queue(&self, name: &str) -> Result<Arc<dyn Queue>> {
        bail!("{name}: queues are polled by the deployment itself")
    }
}

#[async_trait]
impl Invoker for Remote {
    async fn invoke(
        &self,
        function_logical_id: &str,
        payload: Value,
    ) -> Result<Value, InvokeError> {
        let Some(name) = self.functions.get(function_logical_id) else {
            return Err(InvokeError::Function {
                error_type: "ResourceNotFoundException".to_owned(),
                message: format!("{function_logical_id} is not deployed"),
            });
        };
        self.client.invoke(name, &payload).await
    }
}

#[async_trait]
impl Destination for Remote {
    async fn send(&self, queue: &str, body: String) -> Result<()> {
        let named = json!({ "QueueName": queue });
        let found = self.client.call(Service::Sqs, "GetQueueUrl", &named).await?;
        let url = found["QueueUrl"].as_str().context("no QueueUrl")?;
        let message = json!({ "QueueUrl": url, "MessageBody": body });
        self.client.call(Service::Sqs, "SendMessage", &message).await?;
        Ok(())
    }
}

#[async_trait]
impl Checkpoints for Remote {
    async fn get(&self, mapping: &str, shard: &str) -> Result<Option<String>> {
        let positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(positions.get(&(mapping.to_owned(), shard.to_owned())).cloned())
    }

    async fn set(&self, mapping: &str, shard: &str, position: &str) -> Result<()> {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.insert((mapping.to_owned(), shard.to_owned()), position.to_owned());
        Ok(())
    }
}
