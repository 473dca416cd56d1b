//! The caller's own account: who they are, what they have, how they play.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    account::{Balance, Stats, User},
    openapi::ReadProblems,
};
use runtime::{
    Deps, Function, Problem,
    http::{Caller, Meta, Role, guarded, ok, signed_in_app},
    utc_day,
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

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
    OpenApiRouter::new()
        .routes(guarded(Role::Standard, routes!(me)))
        .routes(guarded(Role::Standard, routes!(profile)))
        .routes(guarded(Role::Standard, routes!(users_me)))
        .routes(guarded(Role::Standard, routes!(balance)))
        .routes(guarded(Role::Standard, routes!(stats)))
}

/// The caller.
#[utoipa::path(
    get, path = "/api/auth/me", operation_id = "auth_me", tag = "account", 
    responses((status = 200, body = User), ReadProblems)
)]
async fn me(State(store): State<Arc<Store>>, caller: Caller) -> Result<Response, Problem> {
    Ok(ok(&User::of(&store.player(caller.subject_before_password_change()).await?)))
}

/// The caller; the same as `/api/auth/me`.
#[utoipa::path(
    get, path = "/api/auth/profile", operation_id = "auth_profile", tag = "account",
    responses((status = 200, body = User), ReadProblems)
)]
async fn profile(store: State<Arc<Store>>, caller: Caller) -> Result<Response, Problem> {
    me(store, caller).await
}

/// The caller; the same as `/api/auth/me`.
#[utoipa::path(
    get, path = "/api/users/me", operation_id = "users_me", tag = "account",
    responses((status = 200, body = User), ReadProblems)
)]
async fn users_me(store: State<Arc<Store>>, caller: Caller) -> Result<Response, Problem> {
    me(store, caller).await
}

/// The caller's gold.
#[utoipa::path(
    get, path = "/api/users/balance", operation_id = "users_balance", tag = "account",
    responses((status = 200, body = Balance), ReadProblems)
)]
async fn balance(State(store): State<Arc<Store>>, caller: Caller) -> Result<Response, Problem> {
    Ok(ok(&Balance::of(store.player(caller.subject()).await?.gold.units())))
}

/// The caller's statistics, never older than the caller's last round.
#[utoipa::path(
    get, path = "/api/users/stats", operation_id = "users_stats", tag = "account",
    responses((status = 200, body = Stats), ReadProblems)
)]
async fn stats(
    State(store): State<Arc<Store>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    let opened = store.open(caller.subject()).await?;
    Ok(ok(&Stats::of(&opened.stats, utc_day(meta.now))))
}
