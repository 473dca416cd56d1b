//! What `template.yaml` declares, with every intrinsic function resolved for
//! one stage. The template is the only source; nothing here adds to it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

/// A resolved template.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// By logical id.
    pub functions: BTreeMap<String, FunctionSpec>,
    pub http_routes: Vec<HttpRoute>,
    pub cors: Option<Cors>,
    pub stream_routes: Vec<StreamRoute>,
    /// Id of the WebSocket API, as addresses and ARNs have it.
    pub socket_api: Option<String>,
    pub socket_routes: Vec<SocketRoute>,
    pub tables: Vec<TableSpec>,
    pub streams: Vec<StreamSpec>,
    pub queues: Vec<QueueSpec>,
    pub mappings: Vec<MappingSpec>,
    pub schedules: Vec<ScheduleSpec>,
}

impl Spec {
    /// The functions that give their answer in one piece.
    pub fn buffered_functions(&self) -> impl Iterator<Item = &FunctionSpec> {
        let streams = |id: &str| self.stream_routes.iter().any(|route| route.function == id);
        self.functions.values().filter(move |function| !streams(&function.logical_id))
    }
}

/// An `AWS::Serverless::Function`.
#[derive(Clone, Debug, Default)]
pub struct FunctionSpec {
    pub logical_id: String,
    /// Last component of `CodeUri`: the name of the function's crate.
    pub crate_name: String,
    /// `Globals` merged with the function's own, intrinsics resolved.
    pub env: BTreeMap<String, String>,
    pub timeout: Duration,
    pub memory_mb: u32,
    pub reserved_concurrency: Option<usize>,
    /// All that its own policies allow: every action on every resource of each
    /// statement. What SAM adds for logs, traces and triggers is not in it.
    pub policy: Vec<Permission>,
    /// Name of the queue that gets the asynchronous invocations that were given up.
    pub on_failure_queue: Option<String>,
}

/// An action on a resource, as IAM names them. In a policy both may be patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// `dynamodb:GetItem`.
    pub action: String,
    /// An ARN.
    pub resource: String,
}

/// A route of the HTTP API.
#[derive(Clone, Debug)]
pub struct HttpRoute {
    /// Upper case, or `ANY`.
    pub method: String,
    /// As API Gateway writes it: `/api/users/{id}`, `/{proxy+}`, or `$default`.
    pub path: String,
    pub function: String,
}

/// A REST API that hands every request to one function and streams its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRoute {
    /// Where the domain has it, with everything below: `/api/metrics/stream`.
    pub path: String,
    pub stage: String,
    pub function: String,
    /// How long the API waits for an answer to end.
    pub patience: Duration,
}

/// `CorsConfiguration` of the HTTP API.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age: Option<u64>,
}

/// A route of the WebSocket API.
#[derive(Clone, Debug)]
pub struct SocketRoute {
    /// `$connect`, `$disconnect`, `$default` or an action.
    pub route_key: String,
    pub function: String,
}

/// An `AWS::DynamoDB::Table`.
#[derive(Clone, Debug)]
pub struct TableSpec {
    pub logical_id: String,
    pub name: String,
    /// The body of `CreateTable`.
    pub create: Value,
    pub ttl_attribute: Option<String>,
}

/// An `AWS::Kinesis::Stream`.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    pub logical_id: String,
    pub name: String,
    pub shards: u32,
}

/// An `AWS::SQS::Queue`.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    pub logical_id: String,
    pub name: String,
    /// As `CreateQueue` takes them, `RedrivePolicy` as JSON text.
    pub attributes: BTreeMap<String, String>,
}

/// Where a mapping reads from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The named table's change stream.
    TableStream { table: String },
    /// The named Kinesis stream.
    Kinesis { stream: String },
    /// The named queue.
    Queue { queue: String },
}

/// An event source mapping.
#[derive(Clone, Debug)]
pub struct MappingSpec {
    /// Function's logical id and event's name, unique: `OutboxFunction.Journal`.
    pub name: String,
    pub function: String,
    pub source: Source,
    pub enabled: bool,
    pub batch_size: usize,
    pub batch_window: Duration,
    /// `FilterCriteria` patterns; a record passes if any matches.
    pub filters: Vec<Value>,
    pub report_batch_item_failures: bool,
    /// Streams only.
    pub bisect: bool,
    /// `None`: until the record expires.
    pub max_retries: Option<u32>,
    pub max_record_age: Option<Duration>,
    pub parallelization_factor: usize,
    /// `TRIM_HORIZON` (true) or `LATEST`.
    pub from_start: bool,
    /// Name of the queue that gets the metadata of what was given up.
    pub on_failure_queue: Option<String>,
    /// Queues only: `ScalingConfig.MaximumConcurrency`.
    pub max_concurrency: Option<usize>,
}

/// A `Schedule` or `ScheduleV2` event.
#[derive(Clone, Debug)]
pub struct ScheduleSpec {
    /// Function's logical id and event's name.
    pub name: String,
    pub function: String,
    /// `rate(5 minutes)` or `cron(5 0 * * ? *)`.
    pub expression: String,
    pub enabled: bool,
    /// `Input`, or the scheduled event as EventBridge would send it.
    pub input: Option<Value>,
}
