//! `GET /api/olap/health`: what reaches the event store, whether any of it is missing, and
//! whether its views have counted it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use clickhouse::Row;
use contract::{
    olap::{OlapDifference, OlapHealthAnswer, OlapIngestion, OlapParity, OlapStatus},
    openapi::ReadProblems,
};
use jiff::Timestamp;
use runtime::{
    Deps, Function, Problem,
    clickhouse::{ClickHouse, Error, EventStore},
    http::{Caller, Role, guarded, ok, signed_in_app},
};
use serde::Deserialize;
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What came of late, of yesterday's and today's rows.
const INGESTION: &str = "\
    WITH now64(3) - INTERVAL 5 MINUTE AS recent \
    SELECT count() AS events, \
        uniqExactIf(load_token, load_token NOT IN (SELECT load_token FROM events_loaded)) \
            AS loads_under_way, \
        countIf(ts >= recent) AS events_last_5m, \
        countIf(loaded_at >= recent) AS loaded_last_5m, \
        quantileExactIf(0.5)(delay_ms, loaded_at >= recent) AS delay_p50_ms, \
        quantileExactIf(0.95)(delay_ms, loaded_at >= recent) AS delay_p95_ms \
    FROM (SELECT ts, loaded_at, load_token, \
            toUInt64(greatest(0, dateDiff('millisecond', ts, loaded_at))) AS delay_ms \
        FROM events_log WHERE event_date >= toDate(now('UTC')) - 1)";

/// A player's entries are numbered one by one and never go back in time, so between the
/// first and the last of these days there is one row for each number.
const MISSING: &str = "\
    SELECT toUInt64(sum(numbers - present)) AS missing \
    FROM (SELECT max(seq) - min(seq) + 1 AS numbers, uniqExact(seq) AS present \
        FROM events_log WHERE event_date >= toDate(now('UTC')) - 1 GROUP BY user_id)";

const DIFFERENCES: &str = "\
    SELECT view_name, toUnixTimestamp(since) AS since_s, toUInt64(expected) AS expected, \
        toUInt64(counted) AS counted \
    FROM events_parity_recent ORDER BY view_name, since_s";

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set, or of `CLICKHOUSE_URL`,
/// `CLICKHOUSE_DATABASE` and `CLICKHOUSE_SECRET` only the first.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let event_store = EventStore::if_any(&deps)?;
    let olap = Olap { store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?), event_store };
    let routes = router().with_state(Arc::new(olap));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Olap>> {
    OpenApiRouter::new().routes(guarded(Role::Operator, routes!(read)))
}

/// What the function works with.
pub struct Olap {
    store: Store,
    /// `None` where nothing is loaded.
    event_store: Option<EventStore>,
}

/// What reaches the event store, whether its table holds what the journal does, and whether
/// its views have counted what the table holds.
#[utoipa::path(
    get, path = "/api/olap/health", operation_id = "olap_health", tag = "operations",
    responses((status = 200, body = OlapHealthAnswer), ReadProblems)
)]
async fn read(State(olap): State<Arc<Olap>>, caller: Caller) -> Result<Response, Problem> {
    olap.store.player(caller.subject()).await?;
    let Some(event_store) = &olap.event_store else {
        return Ok(ok(&without_numbers(OlapStatus::Off)));
    };
    let server = event_store.connection().await?;
    let answer = examine(&server).await.unwrap_or_else(|error| {
        // Not this function's failure, so no failed call: the answer says it.
        tracing::warn!(%error, "the event store does not answer as it should");
        without_numbers(OlapStatus::Down)
    });
    Ok(ok(&answer))
}

fn without_numbers(status: OlapStatus) -> OlapHealthAnswer {
    OlapHealthAnswer { status, ingestion: None, parity: None }
}

#[derive(Deserialize, Row)]
struct Ingestion {
    events: u64,
    loads_under_way: u64,
    events_last_5m: u64,
    loaded_last_5m: u64,
    delay_p50_ms: u64,
    delay_p95_ms: u64,
}

#[derive(Deserialize, Row)]
struct Gaps {
    missing: u64,
}

#[derive(Deserialize, Row)]
struct Difference {
    view_name: String,
    since_s: u32,
    expected: u64,
    counted: u64,
}

async fn examine(server: &ClickHouse) -> Result<OlapHealthAnswer, Error> {
    let (rows, gaps, differences) = tokio::try_join!(
        server.fetch::<Ingestion>(INGESTION),
        server.fetch::<Gaps>(MISSING),
        server.fetch::<Difference>(DIFFERENCES),
    )?;
    // An aggregate has one row; whatever has none is not the server that is meant.
    let (Some(row), Some(Gaps { missing })) = (rows.into_iter().next(), gaps.into_iter().next())
    else {
        return Ok(without_numbers(OlapStatus::Down));
    };
    // Of nothing there is no quantile.
    let of_some = |delay_ms| (row.loaded_last_5m > 0).then_some(delay_ms);
    let differences: Vec<_> = differences.into_iter().map(OlapDifference::from).collect();
    let all_is_well = missing == 0 && differences.is_empty();
    Ok(OlapHealthAnswer {
        status: if all_is_well { OlapStatus::Ok } else { OlapStatus::Differs },
        ingestion: Some(OlapIngestion {
            events_last_5m: row.events_last_5m,
            loaded_last_5m: row.loaded_last_5m,
            delay_p50_ms: of_some(row.delay_p50_ms),
            delay_p95_ms: of_some(row.delay_p95_ms),
        }),
        parity: Some(OlapParity {
            events: row.events,
            missing,
            loads_under_way: row.loads_under_way,
            differences,
        }),
    })
}

impl From<Difference> for OlapDifference {
    fn from(Difference { view_name, since_s, expected, counted }: Difference) -> Self {
        let since = Timestamp::constant(since_s.into(), 0);
        Self { view: view_name, since, expected, counted }
    }
}
