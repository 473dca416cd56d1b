//! `POST /api/dev/reset/{site_id}`: a seed account begins anew. In development only.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Secret,
    admin::ResetAnswer,
    openapi::{OptionalIdempotencyHeader, WriteProblems},
};
use domain::{Ctx, Once, PasswordHash, PlayerId, SessionId, command::reset};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::Hasher,
    command,
    http::{Caller, IdempotencyKey, Meta, Path, Role, guarded, signed_in_app},
};
use serde::Deserialize;
use store::{Decision, Store, Subject};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The seed accounts, as the local stack creates them.
const ACCOUNTS: &str = include_str!("../../../localstack/seed/accounts.json");

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `STAGE` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let development = deps.env.require("STAGE")? == "dev";
    let resets = Resets {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
        hasher: deps.hasher,
        accounts: if development { serde_json::from_str(ACCOUNTS)? } else { Vec::new() },
    };
    let routes = router().with_state(Arc::new(resets));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Resets>> {
    OpenApiRouter::new().routes(guarded(Role::Admin, routes!(reset_account)))
}

/// What the function works with.
pub struct Resets {
    store: Store,
    entropy: Entropy,
    hasher: Hasher,
    /// None outside of development: there is nobody to reset.
    accounts: Vec<SeedAccount>,
}

#[derive(Clone, Deserialize)]
struct SeedAccount {
    site_id: String,
    password: Secret,
}

/// Brings a seed account back to its beginning, with its first password and a
/// nickname that tells nothing, and ends its sessions. For any other player, and
/// outside of development, there is no such thing: 404.
#[utoipa::path(
    post, path = "/api/dev/reset/{site_id}", operation_id = "dev_reset", tag = "dev",
    params(OptionalIdempotencyHeader, ("site_id" = String, Path, example = "user001")),
    responses((status = 200, body = ResetAnswer), WriteProblems)
)]
async fn reset_account(
    State(resets): State<Arc<Resets>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Path(site_id): Path<String>,
) -> Result<Response, Problem> {
    let Resets { store, entropy, hasher, accounts } = &*resets;
    // Of the caller only the token was looked at so far.
    store.player(caller.subject()).await?;
    let unknown = || Problem::new(Code::PlayerNotFound);
    let account = accounts.iter().find(|account| account.site_id == site_id).ok_or_else(unknown)?;
    let login = store.login(&account.site_id).await?.ok_or_else(unknown)?;
    let player = login.player.id;
    let hash = hasher.hash(account.password.clone(), entropy).await.map_err(Problem::internal)?;
    let ctx = command::context(&meta, entropy);
    let once = once(key, player, caller.player(), &ctx);
    let receipt = store
        .execute_if(Subject::system(player), once, |state| {
            // Somebody else's nickname, or an account that was erased just now.
            if state.profile.site_id != account.site_id {
                return Ok(None);
            }
            let plan = reset::decide(state, PasswordHash(hash.clone()), &ctx)?;
            let gold_balance = plan.after().gold.units();
            let answer = command::answer(200, &ResetAnswer { id: player.uuid(), gold_balance });
            Ok(Some(Decision { plan, answer: Some(answer) }))
        })
        .await?;
    command::answered(receipt.ok_or_else(unknown)?)
}

/// The entry is the account's, the key the caller's: together they are one name.
fn once(key: Option<IdempotencyKey>, player: PlayerId, caller: PlayerId, ctx: &Ctx) -> Once {
    command::once_by_nature(match key {
        Some(key) => format!("reset:{player}:{caller}:{key}"),
        // Nobody can repeat this request; the key only settles unknown outcomes.
        None => format!("reset:{player}:{}", SessionId::mint(ctx)),
    })
}
