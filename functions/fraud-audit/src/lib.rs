//! `GET /api/admin/fraud/audit`: every decision on a purchase with money, explained.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Page,
    fraud::{FraudAuditItem, FraudAuditQuery},
    openapi::ReadProblems,
};
use runtime::{
    Deps, Function, Problem,
    auth::JwtKeys,
    http::{Caller, Cursors, Query, Role, guarded, ok, signed_in_app},
    secrets::Rotating,
};
use store::{FraudFilter, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let audit = Audit {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
    };
    let keys = audit.keys.clone();
    let routes = router().with_state(Arc::new(audit));
    Ok(Function::http(signed_in_app(routes, &deps, keys)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Audit>> {
    OpenApiRouter::new().routes(guarded(Role::Operator, routes!(read)))
}

/// What the function works with.
pub struct Audit {
    store: Store,
    keys: Rotating<JwtKeys>,
}

/// Decisions on purchases with money, newest first. A page may hold fewer than
/// `limit` items and still have a next one.
#[utoipa::path(
    get, path = "/api/admin/fraud/audit", operation_id = "fraud_audit_read", tag = "admin",
    params(FraudAuditQuery),
    responses((status = 200, body = Page<FraudAuditItem>), ReadProblems)
)]
async fn read(
    State(audit): State<Arc<Audit>>,
    caller: Caller,
    Query(query): Query<FraudAuditQuery>,
) -> Result<Response, Problem> {
    let FraudAuditQuery { player, action, limit, cursor } = query;
    let cursors = Cursors::new(&*audit.keys.current().await?);
    let action_name = action.map_or("any", |action| action.as_str());
    let list = format!("fraud-audit:{}:{action_name}", player.unwrap_or_default());
    let before = match &cursor {
        Some(cursor) => Some(cursors.open::<String>(&list, cursor)?),
        None => None,
    };
    let filter = FraudFilter { player: player.map(Into::into), action };
    let limit = usize::try_from(limit.unwrap_or(20)).unwrap_or(usize::MAX);
    let operator = audit.store.player(caller.subject());
    let page = audit.store.fraud_decisions(filter, before.as_deref(), limit);
    let (_, (decisions, next)) = tokio::try_join!(operator, page)?;
    let items: Vec<_> = decisions.into_iter().map(FraudAuditItem::from).collect();
    let next_cursor = next.map(|place| cursors.seal(&list, &place));
    Ok(ok(&Page { items, next_cursor }))
}
