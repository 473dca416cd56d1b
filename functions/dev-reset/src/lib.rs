//! `POST /api/dev/reset/{site_id}`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::openapi::WriteProblems;
use runtime::{
    Deps, Function, Problem,
    http::{Caller, Role, guarded, ok, signed_in_app},
};
use serde::Serialize;
use store::Store;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// A variable that template.yaml should set is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let store = Arc::new(Store::new(deps.aws(), deps.env.require("TABLE_NAME")?));
    let routes = router().with_state(store);
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Store>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(dev_reset)))
}

/// What the caller gets.
#[derive(Serialize, ToSchema)]
struct Answer {
    /// The endpoint's own name, until it has more to say.
    endpoint: &'static str,
}

/// Says its name. A command would go through `store.execute`: see `slot-spin`.
#[utoipa::path(
    post, path = "/api/dev/reset/{site_id}", operation_id = "dev_reset", tag = "new",
    responses((status = 200, body = Answer), WriteProblems)
)]
async fn dev_reset(State(store): State<Arc<Store>>, _caller: Caller) -> Result<Response, Problem> {
    store.ping().await?;
    Ok(ok(&Answer { endpoint: "dev-reset" }))
}
