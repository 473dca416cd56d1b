//! `POST /api/auth/logout`: this session ends.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    auth::LogoutAnswer,
    openapi::{OptionalIdempotencyHeader, WriteProblems},
};
use domain::command::close_sessions;
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Meta, Role, guarded, signed_in_app},
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let exit = Exit {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(exit));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Exit>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(logout)))
}

/// What the function works with.
pub struct Exit {
    store: Store,
    entropy: Entropy,
}

/// Ends the session of the token, at once and everywhere: the next request with any
/// of its tokens is 401.
#[utoipa::path(
    post, path = "/api/auth/logout", operation_id = "auth_logout", tag = "auth",
    params(OptionalIdempotencyHeader),
    responses((status = 200, body = LogoutAnswer), WriteProblems)
)]
async fn logout(
    State(exit): State<Arc<Exit>>,
    meta: Meta,
    caller: Caller,
    _unneeded: Option<IdempotencyKey>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &exit.entropy);
    let once = command::once_by_nature(format!("logout:{}:{}", caller.player(), caller.session()));
    let receipt = exit
        .store
        .execute(caller.subject_before_password_change(), once, |state| {
            let plan = close_sessions::one(state, caller.session(), &ctx)?;
            let closed_sessions = 1;
            let answer = command::answer(200, &LogoutAnswer { closed_sessions });
            Ok(Decision { plan, answer: Some(answer) })
        })
        .await?;
    command::answered(receipt)
}
