//! `POST /api/auth/logout-all`: every session ends.

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
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(logout_all)))
}

/// What the function works with.
pub struct Exit {
    store: Store,
    entropy: Entropy,
}

/// Ends every session of the caller, at once and everywhere, this one too.
#[utoipa::path(
    post, path = "/api/auth/logout-all", operation_id = "auth_logout_all", tag = "auth",
    params(OptionalIdempotencyHeader),
    responses((status = 200, body = LogoutAnswer), WriteProblems)
)]
async fn logout_all(
    State(exit): State<Arc<Exit>>,
    meta: Meta,
    caller: Caller,
    _unneeded: Option<IdempotencyKey>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &exit.entropy);
    let once =
        command::once_by_nature(format!("logout-all:{}:{}", caller.player(), caller.session()));
    let receipt = exit
        .store
        .execute(caller.subject_before_password_change(), once, |state| {
            let closed_sessions = state.sessions.live(ctx.now);
            let plan = close_sessions::all(state, &ctx)?;
            let answer = command::answer(200, &LogoutAnswer { closed_sessions });
            Ok(Decision { plan, answer: Some(answer) })
        })
        .await?;
    command::answered(receipt)
}
