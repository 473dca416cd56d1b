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
    metrics::{self, ProtectionConsumed, RewardClaim, Stopwatch},
};
use store::{Decision, Receipt, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `JWT_KEYS_SECRET` or `STAGE` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let claims = Claims {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
        stage: deps.env.require("STAGE")?.to_owned(),
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
    stage: String,
}

impl Claims {
    /// Measures a claim that was answered with its reward.
    fn measure(&self, receipt: &Receipt, meta: &Meta, duration_ms: f64) {
        metrics::record(RewardClaim::new(meta.now, self.stage.clone(), duration_ms));
        let Fact::StreakClaimed { protections_used: used, .. } = receipt.entry.fact else { return };
        // An answer that is given again uses nothing up.
        if used > 0 && !receipt.replayed {
            let stage = self.stage.clone();
            metrics::record(ProtectionConsumed::new(meta.now, stage, "claim", used));
        }
    }
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
    let started = Stopwatch::start();
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
    claims.measure(&receipt, &meta, started.elapsed_ms());
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
