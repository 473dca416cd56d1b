//! `POST /api/auth/password`: another password.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Rule,
    auth::{PasswordAnswer, PasswordRequest},
    openapi::{OptionalIdempotencyHeader, WriteProblems},
};
use domain::{Ctx, Once, PasswordHash, PlayerId, Rejection, SessionId, command::change_password};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::{Guess, Hasher, Verdict},
    command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, signed_in_app},
};
use store::{Decision, Login, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let passwords = Passwords {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
        hasher: deps.hasher,
    };
    let routes = router().with_state(Arc::new(passwords));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Passwords>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(change)))
}

/// What the function works with.
pub struct Passwords {
    store: Store,
    entropy: Entropy,
    hasher: Hasher,
}

/// Changes the caller's password and ends every other session. Wrong guesses at the
/// present one lock as those at a login do.
#[utoipa::path(
    post, path = "/api/auth/password", operation_id = "auth_password", tag = "auth",
    params(OptionalIdempotencyHeader), request_body = PasswordRequest,
    responses((status = 200, body = PasswordAnswer), WriteProblems)
)]
async fn change(
    State(passwords): State<Arc<Passwords>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(request): Json<PasswordRequest>,
) -> Result<Response, Problem> {
    let Passwords { store, entropy, hasher } = &*passwords;
    let (player, subject) = (caller.player(), caller.subject_before_password_change());
    let ctx = command::context(&meta, entropy);
    let once = once(key, player, &ctx);
    // Before anything is guessed: a token that is no longer good guesses nothing.
    let repeated = store.receipt(subject, &once).await?;
    let guess = Guess::at_own_password(store, player, entropy, meta.now);
    guess.begin().await?;
    let login = store.login_of(player).await?;
    let login = login.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
    if let Some(receipt) = repeated {
        // The old password is no longer the present one, but the new one is: whoever
        // repeats the request shows that they know it.
        verify(*hasher, request.new_password, &login, &guess, "/new_password").await?;
        guess.was_right().await;
        return command::answered(receipt);
    }
    verify(*hasher, request.current_password, &login, &guess, "/current_password").await?;
    let hash = hasher.hash(request.new_password, entropy).await.map_err(Problem::internal)?;
    let changed = store.execute(subject, once, |state| {
        let hash = PasswordHash(hash.clone());
        let others = state.sessions.live(ctx.now).saturating_sub(1);
        let plan = change_password::decide(
            state,
            caller.session(),
            login.set_by,
            hash,
            login.devices.clone(),
            &ctx,
        )?;
        let answer = command::answer(200, &PasswordAnswer { closed_sessions: others });
        Ok(Decision { plan, answer: Some(answer) })
    });
    let (receipt, ()) = tokio::join!(changed, guess.was_right());
    match receipt {
        Err(store::Error::Rejected(Rejection::PasswordMoved)) => {
            Err(wrong_password("/current_password"))
        }
        receipt => command::answered(receipt?),
    }
}

async fn verify(
    hasher: Hasher,
    password: contract::Secret,
    login: &Login,
    guess: &Guess<'_>,
    field: &'static str,
) -> Result<(), Problem> {
    let hash = Some(login.password_hash.clone());
    match hasher.verify(password, hash).await.map_err(Problem::internal)? {
        Verdict::Right { .. } => Ok(()),
        Verdict::Wrong => {
            guess.was_wrong().await;
            Err(wrong_password(field))
        }
    }
}

fn wrong_password(field: &'static str) -> Problem {
    Problem::new(Code::WrongPassword).field(field, Rule::InvalidFormat)
}

/// The request hash leaves the passwords out: a quick hash of them must not lie in
/// the table.
fn once(key: Option<IdempotencyKey>, player: PlayerId, ctx: &Ctx) -> Once {
    match key {
        Some(key) => command::once(key, "auth_password", &player),
        // Nobody can repeat this request; the key only settles unknown outcomes.
        None => command::once_by_nature(format!("password:{player}:{}", SessionId::mint(ctx))),
    }
}
