//! The caller's own account: who they are, what they have, how they play. And what
//! they may see of others.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code,
    account::{Balance, ProfileDetail, PublicProfile, Stats, User},
    openapi::ReadProblems,
};
use domain::PlayerId;
use runtime::{
    Deps, Function, Problem,
    http::{Caller, Meta, Path, Role, deprecated, guarded, ok, signed_in_app},
    utc_day,
};
use store::{Store, Subject};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

/// Entries looked at for the latest activity.
const LOOKED_AT: i32 = 20;

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
#[expect(deprecated, reason = "the older name is still served")]
pub fn router() -> OpenApiRouter<Arc<Store>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Standard, routes!(me)))
        .routes(guarded(Role::Standard, routes!(profile)))
        .routes(guarded(Role::Standard, routes!(users_me)))
        .routes(guarded(Role::Standard, routes!(balance)))
        .routes(guarded(Role::Standard, routes!(stats)))
        .routes(
            guarded(Role::Standard, routes!(users_profile))
                .map(|route| deprecated(route, "/api/auth/profile")),
        )
        .routes(guarded(Role::Standard, routes!(user)))
        .routes(guarded(Role::Standard, routes!(detail)))
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

/// The older name of `/api/auth/profile`.
#[utoipa::path(
    get, path = "/api/users/profile", operation_id = "users_profile", tag = "account",
    responses((status = 200, body = User), ReadProblems)
)]
#[deprecated(note = "use `/api/auth/profile`")]
async fn users_profile(store: State<Arc<Store>>, caller: Caller) -> Result<Response, Problem> {
    me(store, caller).await
}

/// A player as others see them. Whoever wished to be forgotten is as unknown as
/// whoever never was.
#[utoipa::path(
    get, path = "/api/users/{id}", operation_id = "users_read", tag = "account",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, body = PublicProfile), ReadProblems)
)]
async fn user(
    State(store): State<Arc<Store>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let unknown = || Problem::new(Code::PlayerNotFound);
    // Whether the caller is still signed in comes first.
    store.player(caller.subject()).await?;
    let id: PlayerId = id.parse().map_err(|_| unknown())?;
    let profile = match store.player(Subject::system(id)).await {
        Ok(player) => PublicProfile::of(&player),
        Err(store::Error::PlayerNotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(ok(&profile.ok_or_else(unknown)?))
}

/// The caller in detail.
#[utoipa::path(
    get, path = "/api/profile", operation_id = "profile_detail", tag = "account",
    responses((status = 200, body = ProfileDetail), ReadProblems)
)]
async fn detail(
    State(store): State<Arc<Store>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    let subject = caller.subject();
    let (opened, recent) =
        tokio::try_join!(store.open(subject), store.history(subject, u64::MAX, LOOKED_AT))?;
    Ok(ok(&ProfileDetail::of(&opened.player, &opened.stats, &recent, utc_day(meta.now))))
}

/// The caller's gold.
#[utoipa::path(
    get, path = "/api/users/balance", operation_id = "users_balance", tag = "account",
    responses((status = 200, body = Balance), ReadProblems)
)]
async fn balance(State(store): State<Arc<Store>>, caller: Caller) -> Result<Response, Problem> {
    Ok(ok(&Balance::of(&store.player(caller.subject()).await?)))
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
