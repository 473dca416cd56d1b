//! Provable fairness: what the next round is drawn from, a new epoch, and the
//! verifier, which is the same code that drew the round.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Rule,
    fairness::{
        ExpectedRound, Fairness, RevealedEpoch, RotateAnswer, RotateRequest, VerifiableGame,
        VerifyAnswer, VerifyRequest,
    },
    openapi::{IdempotencyHeader, PublicWriteProblems, ReadProblems, WriteProblems},
};
use domain::{
    Gold, Player,
    command::rotate_fairness,
    fairness::{Draws, MasterKey, ServerSeed},
    slot::Paytable,
};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, ok, signed_in_app},
    secrets::Rotating,
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or the name of a secret is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let seeds = Seeds {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
        master: deps.master_key()?,
    };
    let routes = router().with_state(Arc::new(seeds));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Seeds>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Standard, routes!(read)))
        .routes(guarded(Role::Standard, routes!(rotate)))
        .routes(routes!(verify))
}

/// What the function works with.
pub struct Seeds {
    store: Store,
    entropy: Entropy,
    master: Rotating<MasterKey>,
}

/// The commitment in force and the caller's next nonce.
#[utoipa::path(
    get, path = "/api/games/fairness", operation_id = "fairness_read", tag = "games",
    responses((status = 200, body = Fairness), ReadProblems)
)]
async fn read(State(seeds): State<Arc<Seeds>>, caller: Caller) -> Result<Response, Problem> {
    let player = seeds.store.player(caller.subject()).await?;
    Ok(ok(&current(&*seeds.master.current().await?, &player)))
}

/// Ends the epoch, shows its server seed, and begins the next.
#[utoipa::path(
    post, path = "/api/games/fairness/rotate", operation_id = "fairness_rotate", tag = "games",
    params(IdempotencyHeader), request_body = RotateRequest,
    responses((status = 200, body = RotateAnswer), WriteProblems)
)]
async fn rotate(
    State(seeds): State<Arc<Seeds>>,
    meta: Meta,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<RotateRequest>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &seeds.entropy);
    let once = command::once(key, "fairness_rotate", &request.client_seed);
    let master = seeds.master.current().await?;
    let receipt = seeds
        .store
        .execute(caller.subject(), once, |state| {
            let plan = rotate_fairness::decide(state, &request.client_seed, &ctx)?;
            let rotated = RotateAnswer {
                previous: reveal(&master, state),
                current: current(&master, plan.after()),
            };
            Ok(Decision { answer: Some(command::answer(200, &rotated)), plan })
        })
        .await?;
    command::answered(receipt)
}

/// Computes a round again from its seeds and nonce. Needs no login.
#[utoipa::path(
    post, path = "/api/games/fairness/verify", operation_id = "fairness_verify", tag = "games",
    request_body = VerifyRequest,
    responses((status = 200, body = VerifyAnswer), PublicWriteProblems)
)]
async fn verify(Json(request): Json<VerifyRequest>) -> Result<Response, Problem> {
    let VerifiableGame::Slot = request.game;
    let paytable = Paytable::version(&request.paytable_version)
        .ok_or_else(|| Problem::new(Code::UnknownPaytable))?;
    let seed = ServerSeed::from_hex(&request.server_seed).ok_or_else(|| {
        Problem::new(Code::ValidationFailed).field("/server_seed", Rule::InvalidFormat)
    })?;
    let reels = paytable.spin(&mut Draws::new(&seed, &request.client_seed, request.nonce));
    let multiplier = paytable.multiplier(&reels);
    let win_gold = match request.bet {
        Some(bet) => Some(Gold::new(bet).times(i64::from(multiplier)).map_err(|_| {
            Problem::new(Code::ValidationFailed)
                .field("/bet", Rule::TooLarge(paytable.max_bet.to_string()))
        })?),
        None => None,
    };
    let mut answer = VerifyAnswer {
        valid: true,
        server_seed_hash: seed.hash(),
        reels,
        multiplier,
        win_gold: win_gold.map(Gold::units),
    };
    answer.valid = request.expected.is_none_or(|expected| agrees(&expected, &answer));
    Ok(ok(&answer))
}

/// Whether everything that was claimed is as computed.
fn agrees(expected: &ExpectedRound, computed: &VerifyAnswer) -> bool {
    let ExpectedRound { server_seed_hash, reels, multiplier, win_gold } = expected;
    server_seed_hash
        .as_ref()
        .is_none_or(|hash| hash.eq_ignore_ascii_case(&computed.server_seed_hash))
        && reels.as_ref().is_none_or(|reels| *reels == computed.reels)
        && multiplier.is_none_or(|multiplier| multiplier == computed.multiplier)
        && win_gold.is_none_or(|win| Some(win) == computed.win_gold)
}

fn seed(master: &MasterKey, player: &Player) -> ServerSeed {
    master.server_seed(player.id, player.fairness.epoch)
}

fn current(master: &MasterKey, player: &Player) -> Fairness {
    Fairness {
        epoch: player.fairness.epoch,
        server_seed_hash: seed(master, player).hash(),
        client_seed: player.fairness.client_seed.clone(),
        next_nonce: player.next_seq(),
    }
}

/// The epoch that `player` is about to leave.
fn reveal(master: &MasterKey, player: &Player) -> RevealedEpoch {
    let seed = seed(master, player);
    RevealedEpoch {
        epoch: player.fairness.epoch,
        server_seed: seed.reveal(),
        server_seed_hash: seed.hash(),
        client_seed: player.fairness.client_seed.clone(),
    }
}
