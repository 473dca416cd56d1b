//! The streak as it stands, and how it came about.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Page,
    home::{StreakHistoryItem, StreakStatus},
    openapi::ReadProblems,
    page::PageQuery,
};
use runtime::{
    Deps, Function, Problem,
    auth::JwtKeys,
    http::{Caller, Cursors, Meta, Query, Role, guarded, ok, signed_in_app},
    secrets::Rotating,
    utc_day,
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Entries looked at for one page, so that its cost is bounded however few of
/// them are about the streak.
const LOOKED_AT: i32 = 200;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let streaks = Streaks {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
    };
    let keys = streaks.keys.clone();
    let routes = router().with_state(Arc::new(streaks));
    Ok(Function::http(signed_in_app(routes, &deps, keys)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Streaks>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Standard, routes!(status)))
        .routes(guarded(Role::Standard, routes!(history)))
}

/// What the function works with.
pub struct Streaks {
    store: Store,
    keys: Rotating<JwtKeys>,
}

/// The streak today and what the next claim grants.
#[utoipa::path(
    get, path = "/api/streak/status", operation_id = "streak_status", tag = "home",
    responses((status = 200, body = StreakStatus), ReadProblems)
)]
async fn status(
    State(streaks): State<Arc<Streaks>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    let player = streaks.store.player(caller.subject()).await?;
    Ok(ok(&StreakStatus::of(&player, utc_day(meta.now))))
}

/// Claims, protections consumed and streaks broken, newest first. A page may hold
/// fewer than `limit` items and still have a next one.
#[utoipa::path(
    get, path = "/api/streak/history", operation_id = "streak_history", tag = "home",
    params(PageQuery),
    responses((status = 200, body = Page<StreakHistoryItem>), ReadProblems)
)]
async fn history(
    State(streaks): State<Arc<Streaks>>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let player = caller.player();
    let cursors = Cursors::new(&*streaks.keys.current().await?);
    let list = format!("streak-history:{player}");
    let before = match &page.cursor {
        Some(cursor) => cursors.open::<u64>(&list, cursor)?,
        None => u64::MAX,
    };
    let entries = streaks.store.history(caller.subject(), before, LOOKED_AT).await?;
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let mut items = Vec::new();
    let mut last_seen = None;
    for entry in &entries {
        if items.len() == limit {
            break;
        }
        last_seen = Some(entry.seq);
        items.extend(StreakHistoryItem::of(entry));
    }
    // Entry 1 is the first there is.
    let next = last_seen.filter(|&seq| seq > 1);
    let next_cursor = next.map(|seq| cursors.seal(&list, &seq));
    Ok(ok(&Page { items, next_cursor }))
}
