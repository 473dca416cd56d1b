//! `POST /api/auth/refresh`: the next tokens of a session.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use contract::{
    Code,
    auth::{RefreshAnswer, RefreshRequest, Role},
    openapi::{OptionalIdempotencyHeader, PublicWriteProblems},
};
use domain::{Ctx, Fact, Once, command::refresh_session};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::{JwtKeys, RefreshToken, tokens},
    command,
    http::{IdempotencyKey, Json, Meta, app, rendered_answer},
    secrets::Rotating,
};
use serde::{Deserialize, Serialize};
use store::{Decision, Receipt, Store, Subject};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let refresh = Refresh {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
        entropy: deps.entropy.clone(),
    };
    Ok(Function::http(app(router().with_state(Arc::new(refresh)), &deps)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Refresh>> {
    OpenApiRouter::new().routes(routes!(refresh))
}

/// What the function works with.
pub struct Refresh {
    store: Store,
    keys: Rotating<JwtKeys>,
    entropy: Entropy,
}

/// Gives new tokens for the latest refresh token of a session, once. One that was
/// used before ends the session: somebody has a copy. An `Idempotency-Key` makes a
/// lost answer safe to ask for again.
#[utoipa::path(
    post, path = "/api/auth/refresh", operation_id = "auth_refresh", tag = "auth",
    params(OptionalIdempotencyHeader), request_body = RefreshRequest,
    responses((status = 200, body = RefreshAnswer), PublicWriteProblems)
)]
async fn refresh(
    State(refresh): State<Arc<Refresh>>,
    meta: Meta,
    key: Option<IdempotencyKey>,
    Json(request): Json<RefreshRequest>,
) -> Result<Response, Problem> {
    let keys = refresh.keys.current().await?;
    let token = RefreshToken::verify(&keys, request.refresh_token.expose())
        .ok_or_else(|| Problem::new(Code::Unauthenticated))?;
    let ctx = command::context(&meta, &refresh.entropy);
    let receipt = refresh
        .store
        .execute(Subject::system(token.player), once(key, token, &ctx), |state| {
            let plan = refresh_session::decide(state, token.session, token.generation, &ctx)?;
            let granted = Granted { role: state.profile.role };
            Ok(Decision { plan, answer: Some(command::answer(200, &granted)) })
        })
        .await?;
    answer(&keys, token, receipt)
}

/// What an entry keeps of the answer. The tokens are made again each time.
#[derive(Serialize, Deserialize)]
struct Granted {
    role: Role,
}

fn answer(keys: &JwtKeys, token: RefreshToken, receipt: Receipt) -> Result<Response, Problem> {
    match (receipt.entry.fact, receipt.entry.answer) {
        (Fact::SessionRefreshed { generation, .. }, Some(stored)) => {
            let Granted { role } = serde_json::from_str(&stored.body).map_err(Problem::internal)?;
            let next = RefreshToken { generation, ..token };
            let answer = tokens(keys, next, role, receipt.entry.at);
            Ok(rendered_answer(StatusCode::OK, &answer, receipt.replayed))
        }
        (Fact::SessionClosed { .. }, _) => Err(Code::RefreshReused.into()),
        _ => Err(Problem::internal("the key of a refresh leads to another entry")),
    }
}

fn once(key: Option<IdempotencyKey>, token: RefreshToken, ctx: &Ctx) -> Once {
    let RefreshToken { player, session, generation } = token;
    match key {
        Some(key) => command::once(key, "auth_refresh", &(session, generation)),
        // Without a key a second request is a second use; this one only settles unknown
        // outcomes.
        None => {
            let attempt = domain::SessionId::mint(ctx);
            command::once_by_nature(format!("refresh:{player}:{session}:{generation}:{attempt}"))
        }
    }
}
