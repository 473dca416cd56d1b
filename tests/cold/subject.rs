//! What is measured.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use devstack::{
    Stack,
    engine::Endpoint,
    lambda::Launch,
    spec::{FunctionSpec, Spec},
};
use serde_json::Value;
use tests::Events;

/// Reads no table, no queue, no stream.
pub const HELLO: &str = "floor-hello";
/// Reads one item.
pub const GET_ITEM: &str = "floor-get-item";

/// A function, as it is started and called.
pub struct Subject<'a> {
    pub name: String,
    /// Of the template; for the floors, the least a function has there.
    pub memory_mb: u32,
    /// What it is held against; `None` for the floors themselves.
    pub floor: Option<&'static str>,
    /// Whether somebody waits for it.
    pub http: bool,
    pub launch: Launch,
    /// What it calls.
    pub aws: &'a Endpoint,
    /// Stripped.
    pub size_bytes: u64,
}

/// Answers that are no success and are measured: what the event is about was never offered,
/// bought or signed, or there are as many by now as may be.
const REFUSED: [(&str, u64); 4] = [
    ("limited-buy", 404),
    ("payment-settle", 404),
    ("payment-webhook", 401),
    ("webhook-admin", 409),
];

impl<'a> Subject<'a> {
    /// A function of the template.
    pub fn function(
        spec: &Spec,
        function: &FunctionSpec,
        bootstraps: &Path,
        aws: &'a Endpoint,
    ) -> Result<Self> {
        let calls_aws = !function.policy.is_empty();
        let floor = if calls_aws { GET_ITEM } else { HELLO };
        let http = spec.http_routes.iter().any(|route| route.function == function.logical_id);
        Ok(Self { http, ..Self::new(function, bootstraps, aws, Some(floor))? })
    }

    /// Both floors.
    pub fn floors(stack: &Stack, bootstraps: &Path, aws: &'a Endpoint) -> Result<Vec<Self>> {
        let table = stack.spec().tables.first().context("the template declares the table")?;
        let env = BTreeMap::from([("TABLE_NAME".to_owned(), table.name.clone())]);
        let floor = |name: &str| {
            let function = FunctionSpec {
                logical_id: name.to_owned(),
                crate_name: name.to_owned(),
                env: env.clone(),
                timeout: Duration::from_secs(10),
                memory_mb: 256,
                ..FunctionSpec::default()
            };
            Self::new(&function, bootstraps, aws, None)
        };
        Ok(vec![floor(HELLO)?, floor(GET_ITEM)?])
    }

    fn new(
        function: &FunctionSpec,
        bootstraps: &Path,
        aws: &'a Endpoint,
        floor: Option<&'static str>,
    ) -> Result<Self> {
        let name = function.crate_name.clone();
        let launch = Launch::new(function, bootstraps, &aws.url)?;
        let size_bytes = std::fs::metadata(bootstraps.join(&name).join("bootstrap"))?.len();
        let memory_mb = function.memory_mb;
        Ok(Self { http: false, name, memory_mb, floor, launch, aws, size_bytes })
    }

    /// An event that costs what the function's events usually cost.
    pub async fn event(&self, events: &Events<'_>) -> Result<Value> {
        let of = if self.floor.is_some() { &self.name } else { "shop-catalog" };
        events.event(of, "typical").await
    }

    /// Whether the answer is one of a call that did its work, as far as its event can.
    pub fn is_sound(&self, answer: &Value) -> bool {
        let status = answer["statusCode"].as_u64().unwrap_or(200);
        let failures = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
        let refused = REFUSED.iter().any(|refused| *refused == (&*self.name, status));
        (status < 300 || refused) && failures == 0
    }
}
