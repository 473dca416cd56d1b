//! `GET /api/dashboard`: one screen in one answer.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    home::{Dashboard, DashboardCore},
    openapi::ReadProblems,
    shop::CatalogItem,
};
use domain::catalog::CATALOG;
use runtime::{
    Deps, Function, Problem,
    http::{Caller, IfNoneMatch, Meta, Role, guarded, ok_if_changed, signed_in_app},
    metrics::{self, DashboardAnswer, Stopwatch},
    utc_day,
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Products shown on the dashboard: the first of the catalog.
const HIGHLIGHTS: usize = 3;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `JWT_KEYS_SECRET` or `STAGE` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let screen = Screen {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        stage: deps.env.require("STAGE")?.to_owned(),
    };
    let routes = router().with_state(Arc::new(screen));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Screen>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(dashboard)))
}

/// What the function works with.
pub struct Screen {
    store: Store,
    stage: String,
}

/// Profile, balances, streak and what is going on, never older than the caller's
/// own last write; 304 when nothing changed.
#[utoipa::path(
    get, path = "/api/dashboard", operation_id = "dashboard", tag = "home",
    responses(
        (status = 200, body = Dashboard),
        (status = 304, description = "As the given `If-None-Match`."),
        ReadProblems
    )
)]
async fn dashboard(
    State(screen): State<Arc<Screen>>,
    meta: Meta,
    caller: Caller,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let started = Stopwatch::start();
    let player = screen.store.player(caller.subject()).await?;
    let highlights = CATALOG.iter().take(HIGHLIGHTS);
    let dashboard = Dashboard {
        core: DashboardCore::of(&player, utc_day(meta.now)),
        // There are no events, missions, rewards to claim or game sessions yet.
        events: Vec::new(),
        missions: Vec::new(),
        pending_rewards_count: 0,
        recent_sessions: Vec::new(),
        shop_highlights: highlights.map(|item| CatalogItem::of(item, meta.language)).collect(),
    };
    let answer = ok_if_changed(&dashboard, &if_none_match, "private, no-cache");
    let (stage, duration_ms) = (screen.stage.clone(), started.elapsed_ms());
    metrics::record(DashboardAnswer::new(meta.now, stage, duration_ms));
    Ok(answer)
}
