//! `GET /api/metrics/global`, and the same as server-sent events: how much is going on,
//! for everybody.
//!
//! API Gateway's HTTP APIs hand on an answer once it is complete, and a Lambda function
//! that holds one open is billed while it waits. So each answer of the stream holds one
//! event and says when to come back for the next, which every `EventSource` does by
//! itself.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use contract::{
    metrics::{GlobalMetrics, MetricsEvent, MetricsStreamQuery},
    openapi::PublicReadProblems,
};
use domain::activity::Global;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use runtime::{
    Deps, Function, Problem,
    http::{IfNoneMatch, Meta, Query, app, ok_if_changed},
};
use store::{ACTIVE_SHARDS, Store};
use tokio::sync::Mutex;
use utoipa_axum::{router::OpenApiRouter, routes};

/// For how long an instance tells what it has counted.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let metrics = Metrics {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        counted: Mutex::default(),
    };
    Ok(Function::http(app(router().with_state(Arc::new(metrics)), &deps)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Metrics>> {
    OpenApiRouter::new().routes(routes!(global)).routes(routes!(stream))
}

/// What the function works with.
pub struct Metrics {
    store: Store,
    counted: Mutex<Option<GlobalMetrics>>,
}

/// Who is online, and what was played of late.
#[utoipa::path(
    get, path = "/api/metrics/global", operation_id = "metrics_global", tag = "realtime",
    responses(
        (status = 200, body = GlobalMetrics),
        (status = 304, description = "As the given `If-None-Match`."),
        PublicReadProblems
    )
)]
async fn global(
    State(metrics): State<Arc<Metrics>>,
    meta: Meta,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let counted = metrics.count(meta.now).await?;
    Ok(ok_if_changed(&counted, &if_none_match, "public, max-age=5"))
}

/// The same as server-sent events, one of them in each answer, named `metrics`. Its `retry`
/// has an `EventSource` come back for the next after the interval.
#[utoipa::path(
    get, path = "/api/metrics/stream", operation_id = "metrics_stream", tag = "realtime",
    params(MetricsStreamQuery),
    responses(
        (status = 200, content_type = "text/event-stream", body = MetricsEvent),
        PublicReadProblems
    )
)]
async fn stream(
    State(metrics): State<Arc<Metrics>>,
    meta: Meta,
    Query(query): Query<MetricsStreamQuery>,
) -> Result<Response, Problem> {
    let counted = metrics.count(meta.now).await?;
    let event = MetricsEvent::of(&counted, query);
    let mut response = Response::new(event.to_string().into());
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

impl Metrics {
    /// What was counted within the last five seconds, or now.
    async fn count(&self, now: Timestamp) -> Result<GlobalMetrics, Problem> {
        let mut counted = self.counted.lock().await;
        if let Some(counted) = counted.filter(|counted| is_fresh(counted, now)) {
            return Ok(counted);
        }
        let shards = try_join_all((0..ACTIVE_SHARDS).map(|shard| self.store.active(shard))).await?;
        let fresh = GlobalMetrics::of(Global::of(shards.iter().flatten(), now), now);
        *counted = Some(fresh);
        Ok(fresh)
    }
}

fn is_fresh(counted: &GlobalMetrics, now: Timestamp) -> bool {
    let age = now.duration_since(counted.generated_at);
    (SignedDuration::ZERO..FRESH).contains(&age)
}
