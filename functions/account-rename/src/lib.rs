//! `PUT /api/auth/profile`: another nickname.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{account::User, auth::RenameRequest, openapi::WriteProblems};
use domain::{SessionId, command::rename};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, Json, Meta, Role, guarded, ok, signed_in_app},
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let names = Names {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(names));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Names>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(rename)))
}

/// What the function works with.
pub struct Names {
    store: Store,
    entropy: Entropy,
}

/// Gives the caller another nickname and frees the old one. Doing it again changes
/// nothing.
#[utoipa::path(
    put, path = "/api/auth/profile", operation_id = "account_rename", tag = "account",
    request_body = RenameRequest, responses((status = 200, body = User), WriteProblems)
)]
async fn rename(
    State(names): State<Arc<Names>>,
    meta: Meta,
    caller: Caller,
    Json(request): Json<RenameRequest>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &names.entropy);
    // A PUT needs no key of the caller's: repeated, it finds nothing to do. This one
    // settles unknown outcomes.
    let attempt = SessionId::mint(&ctx);
    let once = command::once_by_nature(format!("rename:{}:{attempt}", caller.player()));
    names
        .store
        .execute_if(caller.subject(), once, |state| {
            let plan = rename::decide(state, &request.nickname, &ctx)?;
            Ok(plan.map(|plan| Decision { plan, answer: None }))
        })
        .await?;
    // Names are personal, so the journal holds no answer.
    Ok(ok(&User::of(&names.store.player(caller.subject()).await?)))
}
