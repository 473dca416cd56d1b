//! DynamoDB: SDK requests handed to the embedded engine.
//!
//! The engine works on one connection behind one lock, so it gets one thread:
//! calls queue for it in order instead of blocking the runtime's workers on
//! the lock. Reading requests and writing answers stays with the callers.

use std::sync::{Arc, mpsc};

use anyhow::Context as _;
use dynoxide::{
    Database, DynoxideError,
    actions::{
        batch_write_item::BatchWriteItemRequest, delete_item::DeleteItemRequest,
        put_item::PutItemRequest, transact_write_items::TransactWriteItemsRequest,
        update_item::UpdateItemRequest,
    },
    types::ConsumedCapacity,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use super::{answer::Answer, meter::Units};
use crate::spec::TableSpec;

type Job = Box<dyn FnOnce(&Database) + Send>;

/// The engine and its thread.
#[derive(Debug, Clone)]
pub(super) struct Dynamo {
    jobs: Arc<mpsc::Sender<Job>>,
}

/// An answer and what it says about the call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) answer: Answer,
    /// Tables that a successful call may have written to.
    pub(super) written: Vec<String>,
    pub(super) units: Option<Units>,
}

impl Dynamo {
    /// Starts the thread. It ends when the last handle is dropped.
    pub(super) fn start(database: Database) -> anyhow::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || {
                for job in queue {
                    job(&database);
                }
            })
            .context("the database thread does not start")?;
        Ok(Self { jobs: Arc::new(jobs) })
    }

    /// Runs `act` on the engine's thread, after what was queued before.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Database) -> T + Send + 'static,
    ) -> T {
        let (give, take) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            // Nobody waits if the caller gave up; the effect stands, as in AWS.
            let _ = give.send(act(database));
        });
        self.jobs.send(job).expect("the thread lives as long as a handle");
        take.await.expect("the engine does not panic")
    }

    pub(super) async fn call(&self, operation: &str, body: &[u8]) -> Outcome {
        let read = |units: f64| Units { read: units, write: 0.0 };
        let write = |units: f64| Units { read: 0.0, write: units };
        match operation {
            "GetItem" => {
                self.run(body, Database::get_item, nothing, |a| {
                    sum(a.consumed_capacity.as_slice(), read)
                })
                .await
            }
            "BatchGetItem" => {
                self.run(body, Database::batch_get_item, nothing, |a| {
                    sum(a.consumed_capacity.as_deref().unwrap_or_default(), read)
                })
                .await
            }
            "TransactGetItems" => {
                self.run(body, Database::transact_get_items, nothing, |a| {
                    sum(a.consumed_capacity.as_deref().unwrap_or_default(), read)
                })
                .await
            }
            "Query" => {
                self.run(body, Database::query, nothing, |a| {
                    sum(a.consumed_capacity.as_slice(), read)
                })
                .await
            }
            "Scan" => {
                self.run(body, Database::scan, nothing, |a| {
                    sum(a.consumed_capacity.as_slice(), read)
                })
                .await
            }
            "PutItem" => {
                let written = |q: &PutItemRequest| vec![q.table_name.clone()];
                self.run(body, Database::put_item, written, |a| {
                    sum(a.consumed_capacity.as_slice(), write)
                })
                .await
            }
            "UpdateItem" => {
                let written = |q: &UpdateItemRequest| vec![q.table_name.clone()];
                self.run(body, Database::update_item, written, |a| {
                    sum(a.consumed_capacity.as_slice(), write)
                })
                .await
            }
            "DeleteItem" => {
                let written = |q: &DeleteItemRequest| vec![q.table_name.clone()];
                self.run(body, Database::delete_item, written, |a| {
                    sum(a.consumed_capacity.as_slice(), write)
                })
                .await
            }
            "BatchWriteItem" => {
                let written = |q: &BatchWriteItemRequest| q.request_items.keys().cloned().collect();
                self.run(body, Database::batch_write_item, written, |a| {
                    sum(a.consumed_capacity.as_deref().unwrap_or_default(), write)
                })
                .await
            }
            "TransactWriteItems" => {
                self.run(body, Database::transact_write_items, written_by, |a| {
                    sum(a.consumed_capacity.as_deref().unwrap_or_default(), write)
                })
                .await
            }
            "DescribeTable" => self.run(body, Database::describe_table, nothing, |_| None).await,
            "ListTables" => self.run(body, Database::list_tables, nothing, |_| None).await,
            "DescribeTimeToLive" => {
                self.run(body, Database::describe_time_to_live, nothing, |_| None).await
            }
            other => Outcome::refused(Answer::error(
                400,
                "com.amazon.coral.service#UnknownOperationException",
                &format!("{other} is not served here"),
            )),
        }
    }

    async fn run<Q, A>(
        &self,
        body: &[u8],
        call: fn(&Database, Q) -> dynoxide::Result<A>,
        written: impl FnOnce(&Q) -> Vec<String>,
        units: impl FnOnce(&A) -> Option<Units>,
    ) -> Outcome
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
    {
        let request: Q = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => return Outcome::refused(unreadable(&error)),
        };
        let written = written(&request);
        match self.with(move |database| call(database, request)).await {
            Ok(answer) => Outcome { written, units: units(&answer), answer: Answer::ok(&answer) },
            Err(error) => Outcome::refused(Answer {
                status: error.status_code(),
                body: error.to_json().into_bytes(),
            }),
        }
    }
}

impl Outcome {
    fn refused(answer: Answer) -> Self {
        Self { answer, written: Vec::new(), units: None }
    }
}

/// Makes the tables that do not exist yet and sets their expiry attribute.
pub(super) fn create_tables(database: &Database, tables: &[TableSpec]) -> anyhow::Result<()> {
    for table in tables {
        let name = &table.name;
        let request = serde_json::from_value(table.create.clone())
            .with_context(|| format!("the template's definition of table {name}"))?;
        match database.create_table(request) {
            // Kept from an earlier start, or its start was cut short.
            Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => {}
            Err(error) => return Err(error).with_context(|| format!("creating table {name}")),
        }
        if let Some(attribute) = &table.ttl_attribute {
            let request = serde_json::from_value(serde_json::json!({
                "TableName": name,
                "TimeToLiveSpecification": { "Enabled": true, "AttributeName": attribute },
            }))?;
            match database.update_time_to_live(request) {
                // Refused where it is so already.
                Ok(_) | Err(DynoxideError::ValidationException(_)) => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("setting the expiry attribute of table {name}"));
                }
            }
        }
    }
    Ok(())
}

fn nothing<Q>(_: &Q) -> Vec<String> {
    Vec::new()
}

fn written_by(request: &TransactWriteItemsRequest) -> Vec<String> {
    let mut tables: Vec<String> = Vec::new();
    for item in &request.transact_items {
        let table = item.put.as_ref().map(|put| &put.table_name);
        let table = table.or(item.update.as_ref().map(|update| &update.table_name));
        let table = table.or(item.delete.as_ref().map(|delete| &delete.table_name));
        if let Some(table) = table
            && !tables.contains(table)
        {
            tables.push(table.clone());
        }
    }
    tables
}

/// `None` if the caller did not ask. A replayed transaction is billed as a
/// read, which the engine says in `ReadCapacityUnits`.
fn sum(consumed: &[ConsumedCapacity], kind: impl Fn(f64) -> Units) -> Option<Units> {
    let mut total = None;
    for capacity in consumed {
        *total.get_or_insert_with(Units::default) += match capacity.read_capacity_units {
            Some(read) if capacity.write_capacity_units.is_none() => Units { read, write: 0.0 },
            _ => kind(capacity.capacity_units),
        };
    }
    total
}

/// The engine's types mark validation failures in the text of the error.
fn unreadable(error: &serde_json::Error) -> Answer {
    let text = error.to_string();
    let marked =
        ["VALIDATION_REQUEST:", "VALIDATION:"].iter().find_map(|marker| text.strip_prefix(marker));
    match marked {
        Some(message) => {
            let message = message.split(" at line ").next().unwrap_or(message);
            Answer::error(400, "com.amazon.coral.validate#ValidationException", message)
        }
        None => Answer::error(400, "com.amazon.coral.service#SerializationException", &text),
    }
}
