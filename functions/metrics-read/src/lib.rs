//! `GET /api/metrics/global`, and the same as server-sent events: how much is going on,
//! for everybody.
//!
//! API Gateway's HTTP APIs hand on an answer once it is complete. So here each answer of the
//! stream holds one event and says when to come back for the next, which every
//! `EventSource` does by itself. Behind a domain of its own the API has `metrics-stream` at
//! the same address, which holds the connection.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    metrics::{GlobalMetrics, MetricsEvent, MetricsStreamQuery},
    openapi::PublicReadProblems,
};
use runtime::{
    Deps, Function, Problem,
    activity::Counter,
    http::{IfNoneMatch, Meta, Query, app, event_stream, ok_if_changed},
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let counter = Counter::new(Store::new(deps.aws(), deps.env.require("TABLE_NAME")?));
    Ok(Function::http(app(router().with_state(Arc::new(counter)), &deps)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Counter>> {
    OpenApiRouter::new().routes(routes!(global)).routes(routes!(stream))
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
    State(counter): State<Arc<Counter>>,
    meta: Meta,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let counted = counter.count(meta.now).await?;
    Ok(ok_if_changed(&counted, &if_none_match, "public, max-age=5"))
}

/// The same as server-sent events named `metrics`. Behind a domain of its own the API sends
/// one at once and one after each interval, for about a minute; under AWS's own address each
/// answer holds one. In both cases `retry` has an `EventSource` come back after the interval.
#[utoipa::path(
    get, path = "/api/metrics/stream", operation_id = "metrics_stream", tag = "realtime",
    params(MetricsStreamQuery),
    responses(
        (status = 200, content_type = "text/event-stream", body = MetricsEvent),
        PublicReadProblems
    )
)]
async fn stream(
    State(counter): State<Arc<Counter>>,
    meta: Meta,
    Query(query): Query<MetricsStreamQuery>,
) -> Result<Response, Problem> {
    let counted = counter.count(meta.now).await?;
    let event = MetricsEvent::of(&counted, query);
    Ok(event_stream(event.to_string()))
}
