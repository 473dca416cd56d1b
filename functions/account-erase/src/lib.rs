//! `DELETE /api/auth/me`: the wish to be forgotten.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{auth::ErasureAnswer, openapi::WriteProblems};
use domain::command::erase;
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, Meta, Role, guarded, signed_in_app},
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let erasure = Erasure {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(erasure));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Erasure>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(erase)))
}

/// What the function works with.
pub struct Erasure {
    store: Store,
    entropy: Entropy,
}

/// Forgets the caller: names are free for others, every session ends, the balance is
/// burned. What is left is the journal, which holds nothing personal and which the
/// books need. There is no way back.
#[utoipa::path(
    delete, path = "/api/auth/me", operation_id = "account_erase", tag = "account",
    responses((status = 200, body = ErasureAnswer), WriteProblems)
)]
async fn erase(
    State(erasure): State<Arc<Erasure>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &erasure.entropy);
    let once = command::once_by_nature(erase::natural_key(caller.player()));
    let receipt = erasure
        .store
        .execute(caller.subject_before_password_change(), once, |state| {
            let plan = erase::decide(state, &ctx)?;
            let answer = ErasureAnswer { erased: true, burned_gold: state.gold.units() };
            Ok(Decision { plan, answer: Some(command::answer(200, &answer)) })
        })
        .await?;
    command::answered(receipt)
}
