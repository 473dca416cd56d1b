//! The fraud rules: read, put in force, and tried out before.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code,
    fraud::{
        FraudRulesAnswer, FraudRulesQuery, PutFraudRulesAnswer, PutFraudRulesRequest,
        RetestedDecision, TestFraudRulesAnswer, TestFraudRulesRequest, field,
    },
    openapi::{OptionalIdempotencyHeader, ReadProblems, WriteProblems},
};
use domain::{
    Rejection,
    command::activate_fraud_rules,
    fraud::{Assessment, Document, Fault, Rules, assess},
};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Query, Role, guarded, ok, signed_in_app},
};
use store::{Decision, FraudFilter, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let fraud = Fraud {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(fraud));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Fraud>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Operator, routes!(read, put)))
        .routes(guarded(Role::Operator, routes!(test)))
}

/// What the function works with.
pub struct Fraud {
    store: Store,
    entropy: Entropy,
}

/// The rules in force, or an older version.
#[utoipa::path(
    get, path = "/api/admin/fraud/rules", operation_id = "fraud_rules_read", tag = "admin",
    params(FraudRulesQuery),
    responses((status = 200, body = FraudRulesAnswer), ReadProblems)
)]
async fn read(
    State(fraud): State<Arc<Fraud>>,
    caller: Caller,
    Query(query): Query<FraudRulesQuery>,
) -> Result<Response, Problem> {
    let operator = fraud.store.player(caller.subject());
    let (_, rules) = tokio::try_join!(operator, fraud.store.fraud_rules(query.version))?;
    let found = rules.ok_or(Code::FraudRulesNotFound)?;
    Ok(ok(&FraudRulesAnswer::of(&found.rules, found.in_force)))
}

/// Puts other rules in force, from the next purchase on. Every version is kept; who
/// put it and why stands in the operator's journal.
#[utoipa::path(
    put, path = "/api/admin/fraud/rules", operation_id = "fraud_rules_put", tag = "admin",
    params(OptionalIdempotencyHeader), request_body = PutFraudRulesRequest,
    responses((status = 200, body = PutFraudRulesAnswer), WriteProblems)
)]
async fn put(
    State(fraud): State<Arc<Fraud>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(request): Json<PutFraudRulesRequest>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &fraud.entropy);
    let once = command::once_or_anew(key, "fraud_rules_put", &request, &ctx);
    let PutFraudRulesRequest { document, expected_version, reason, dry_run } = request;
    let rules = sound(expected_version.saturating_add(1), document)?;
    let answer = PutFraudRulesAnswer {
        version: rules.version(),
        previous_version: expected_version,
        dry_run,
    };
    if dry_run {
        let operator = fraud.store.player(caller.subject());
        let (_, found) = tokio::try_join!(operator, fraud.store.fraud_rules(None))?;
        return match found.map(|found| found.in_force) {
            Some(in_force) if in_force != expected_version => Err(moved(in_force)),
            _ => Ok(ok(&answer)),
        };
    }
    let receipt = fraud.store.execute(caller.subject(), once, |operator| {
        let plan = activate_fraud_rules::decide(operator, &rules, &reason, &ctx)?;
        Ok(Decision { plan, answer: Some(command::answer(200, &answer)) })
    });
    match receipt.await {
        Err(store::Error::Rejected(Rejection::FraudRulesMoved)) => {
            let found = fraud.store.fraud_rules(None).await?;
            Err(moved(found.map_or(0, |found| found.in_force)))
        }
        receipt => command::answered(receipt?),
    }
}

/// Says what rules would decide: on given numbers, and on the last recorded decisions
/// anew. Changes nothing.
#[utoipa::path(
    post, path = "/api/admin/fraud/rules/test", operation_id = "fraud_rules_test", tag = "admin",
    request_body = TestFraudRulesRequest,
    responses((status = 200, body = TestFraudRulesAnswer), WriteProblems)
)]
async fn test(
    State(fraud): State<Arc<Fraud>>,
    caller: Caller,
    Json(request): Json<TestFraudRulesRequest>,
) -> Result<Response, Problem> {
    if let Some(features) = &request.features {
        features.possible().map_err(|faults| invalid("/features", &faults))?;
    }
    let given = request.document.map(|document| sound(0, document)).transpose()?;
    let limit = usize::try_from(request.recent.unwrap_or(0)).unwrap_or(usize::MAX);
    let recent = async {
        match limit {
            0 => Ok::<_, store::Error>(Vec::new()),
            _ => fraud.store.fraud_decisions(FraudFilter::default(), None, limit).await.map(first),
        }
    };
    let in_force = async {
        match given {
            Some(rules) => Ok::<_, store::Error>(rules),
            None => {
                let found = fraud.store.fraud_rules(None).await?;
                Ok(found.map_or_else(|| Rules::built_in().clone(), |found| found.rules))
            }
        }
    };
    let operator = fraud.store.player(caller.subject());
    let (_, rules, recent) = tokio::try_join!(operator, in_force, recent)?;
    let recent: Vec<_> = recent.iter().map(|decision| retested(&rules, decision)).collect();
    let changed = recent.iter().filter(|one| one.old_action != one.new_action).count();
    Ok(ok(&TestFraudRulesAnswer {
        features: request.features.map(|features| assess(&rules, &features).into()),
        changed: u32::try_from(changed).unwrap_or(u32::MAX),
        recent,
    }))
}

/// The rules of a request's document.
fn sound(version: u32, document: Document) -> Result<Rules, Problem> {
    Rules::new(version, document).map_err(|faults| invalid("/document", &faults))
}

fn invalid(part: &str, faults: &[Fault]) -> Problem {
    Problem::invalid(faults.iter().map(|fault| field(part, fault)).collect())
}

fn moved(in_force: u32) -> Problem {
    Problem::new(Code::FraudRulesMoved).with("version", in_force)
}

fn first((page, _): (Vec<Assessment>, Option<String>)) -> Vec<Assessment> {
    page
}

fn retested(rules: &Rules, recorded: &Assessment) -> RetestedDecision {
    let now = assess(rules, &recorded.features);
    RetestedDecision {
        attempt_id: recorded.attempt.uuid(),
        player_id: recorded.player.uuid(),
        at: recorded.at,
        old_action: recorded.decision.action,
        new_action: now.action,
        old_score: recorded.decision.score,
        new_score: now.score,
    }
}
