//! `POST /api/streak/claim`: the day's reward, once a day.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    home::{StreakClaimAnswer, StreakReward},
    openapi::{OptionalIdempotencyHeader, WriteProblems},
};
use domain::{Fact, Plan, command::claim_streak, level};
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
    let claims = Claims {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(claims));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Claims>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(claim)))
}

/// What the function works with.
pub struct Claims {
    store: Store,
    entropy: Entropy,
}

/// Claims the present UTC day. The day is the idempotency key: claiming again
/// gives the first answer again, whatever the header says.
#[utoipa::path(
    post, path = "/api/streak/claim", operation_id = "streak_claim", tag = "home",
    params(OptionalIdempotencyHeader),
    responses((status = 200, body = StreakClaimAnswer), WriteProblems)
)]
async fn claim(
    State(claims): State<Arc<Claims>>,
    meta: Meta,
    caller: Caller,
    _unneeded: Option<IdempotencyKey>,
) -> Result<Response, Problem> {
    let player = caller.player();
    let ctx = command::context(&meta, &claims.entropy);
    let once = command::once_by_nature(claim_streak::natural_key(player, ctx.today()));
    let receipt = claims
        .store
        .execute(caller.subject(), once, |state| {
            let plan = claim_streak::decide(state, &ctx)?;
            let answer = rendered(&plan).map(|answer| command::answer(200, &answer));
            Ok(Decision { plan, answer })
        })
        .await?;
    command::answered(receipt)
}

fn rendered(plan: &Plan) -> Option<StreakClaimAnswer> {
    let entry = plan.entry();
    let Fact::StreakClaimed { day, count, gold, xp, protections_used, .. } = &entry.fact else {
        return None;
    };
    Some(StreakClaimAnswer {
        awarded: StreakReward { gold: gold.units(), xp: i64::from(*xp) },
        streak_count: *count,
        new_balance: entry.after.gold.units(),
        level: level::of(entry.after.total_xp).level,
        protection_used: *protections_used,
        day: *day,
        claimed_at: entry.at,
    })
}
