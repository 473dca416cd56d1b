//! `POST /api/games/slot/spin`: bet, reels and payout in one transaction.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    openapi::{IdempotencyHeader, WriteProblems},
    slot::{RoundFairness, SpinAnswer, SpinRequest},
};
use domain::{
    Fact, Gold, Plan, Player,
    command::spin_slot,
    fairness::{MasterKey, ServerSeed},
    slot::PAYTABLE,
};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, signed_in_app},
    secrets::Rotating,
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or the name of a secret is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let slot = Slot {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
        master: deps.master_key()?,
    };
    let routes = router().with_state(Arc::new(slot));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Slot>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(spin)))
}

/// What the function works with.
pub struct Slot {
    store: Store,
    entropy: Entropy,
    master: Rotating<MasterKey>,
}

/// Spins once. The outcome is fixed by seeds committed before the request and by
/// the round's nonce.
#[utoipa::path(
    post, path = "/api/games/slot/spin", operation_id = "slot_spin", tag = "games",
    params(IdempotencyHeader), request_body = SpinRequest,
    responses((status = 200, body = SpinAnswer), WriteProblems)
)]
async fn spin(
    State(slot): State<Arc<Slot>>,
    meta: Meta,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<SpinRequest>,
) -> Result<Response, Problem> {
    let player = caller.player();
    let ctx = command::context(&meta, &slot.entropy);
    let once = command::once(key, "slot_spin", &request);
    let master = slot.master.current().await?;
    let receipt = slot
        .store
        .execute(caller.subject(), once, |state| {
            let seed = master.server_seed(player, state.fairness.epoch);
            let plan = spin_slot::decide(state, Gold::new(request.bet), &PAYTABLE, &seed, &ctx)?;
            let answer = rendered(state, &plan, &seed).map(|answer| command::answer(200, &answer));
            Ok(Decision { plan, answer })
        })
        .await
        .map_err(|error| Problem::from(error).blaming("/bet"))?;
    command::answered(receipt)
}

fn rendered(player: &Player, plan: &Plan, seed: &ServerSeed) -> Option<SpinAnswer> {
    let entry = plan.entry();
    let Fact::RoundSettled { round, bet, win, multiplier, outcome, epoch, paytable, .. } =
        &entry.fact
    else {
        return None;
    };
    Some(SpinAnswer {
        round_id: round.uuid(),
        reels: outcome.clone(),
        bet_gold: bet.units(),
        win_gold: win.units(),
        multiplier: *multiplier,
        gold_balance: entry.after.gold.units(),
        fairness: RoundFairness {
            epoch: *epoch,
            server_seed_hash: seed.hash(),
            client_seed: player.fairness.client_seed.clone(),
            nonce: entry.seq,
            paytable_version: paytable.clone(),
        },
    })
}
