//! `GET /api/metrics/stream`: how much is going on, as server-sent events over one
//! connection.
//!
//! A function is billed while it holds an answer open, and Lambda does not tell it that
//! nobody reads any more. So each answer ends after about a minute, and an `EventSource`
//! asks for the next by itself. `metrics-read` answers the same address where nothing can
//! be streamed.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderName, Method},
    response::Response,
    routing::get,
};
use contract::metrics::{GlobalMetrics, MetricsEvent, MetricsStreamQuery};
use futures::{StreamExt as _, stream};
use runtime::{
    Clock, Deps, Function, Problem,
    activity::Counter,
    http::{Meta, Query, app, event_stream},
};
use store::Store;
use tower_http::cors::{self, CorsLayer};

/// For how long an answer goes on; the template allows the function somewhat more.
const LASTS: Duration = Duration::from_secs(55);

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let metrics = Metrics {
        counter: Counter::new(Store::new(deps.aws(), deps.env.require("TABLE_NAME")?)),
        clock: deps.clock.clone(),
    };
    let routes =
        Router::new().route("/api/metrics/stream", get(open)).with_state(Arc::new(metrics));
    Ok(Function::streaming(app(routes, &deps).layer(any_page())))
}

struct Metrics {
    counter: Counter,
    clock: Clock,
}

/// One event at once and one after each interval.
async fn open(
    State(metrics): State<Arc<Metrics>>,
    meta: Meta,
    Query(query): Query<MetricsStreamQuery>,
) -> Result<Response, Problem> {
    // What cannot be counted now is answered with a problem, as everywhere.
    let first = metrics.counter.count(meta.now).await?;
    let later = stream::unfold(metrics, move |metrics| next(metrics, query.interval()));
    let events = stream::iter([first])
        .chain(later)
        .take(query.events_within(LASTS))
        .map(move |counted| Ok::<_, Infallible>(MetricsEvent::of(&counted, query).to_string()));
    // However long the counts take: what Lambda ends is a failure.
    Ok(event_stream(Body::from_stream(events.take_until(Box::pin(pause(LASTS))))))
}

/// Whichever page asks may read the answer: what is counted is of nobody. Unlike HTTP APIs,
/// REST APIs leave this to the function.
fn any_page() -> CorsLayer {
    let told = ["accept-language", "traceparent", "x-request-id"];
    CorsLayer::new()
        .allow_origin(cors::Any)
        .allow_methods([Method::GET])
        .allow_headers(told.map(HeaderName::from_static))
        .expose_headers([HeaderName::from_static("x-request-id")])
        .max_age(Duration::from_mins(10))
}

/// The count after an interval; `None`, which ends the answer, if there is none.
async fn next(metrics: Arc<Metrics>, interval: Duration) -> Option<(GlobalMetrics, Arc<Metrics>)> {
    pause(interval).await;
    match metrics.counter.count(metrics.clock.now()).await {
        Ok(counted) => Some((counted, metrics)),
        Err(problem) => {
            tracing::warn!(cause = problem.cause_chain(), "not counted: the stream ends early");
            None
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a period is what is asked for")]
async fn pause(period: Duration) {
    tokio::time::sleep(period).await;
}
