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
    utc_day,
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Products shown on the dashboard: the first of the catalog.
const HIGHLIGHTS: usize = 3;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let store = Arc::new(Store::new(deps.aws(), deps.env.require("TABLE_NAME")?));
    let routes = router().with_state(store);
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Store>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(dashboard)))
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
    State(store): State<Arc<Store>>,
    meta: Meta,
    caller: Caller,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let player = store.player(caller.subject()).await?;
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
    Ok(ok_if_changed(&dashboard, &if_none_match, "private, no-cache"))
}
