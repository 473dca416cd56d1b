//! `POST /api/admin/limited-packages` and their promo codes.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Rule,
    admin::{
        IssuePromoAnswer, IssuePromoRequest, OfferPackageAnswer, OfferPackageRequest, OfferPrice,
        Wording,
    },
    openapi::{OptionalIdempotencyHeader, WriteProblems},
};
use domain::{
    Gold,
    catalog::{GOLD, Text},
    command::offer_limited,
    limited::{Package, Promo},
    purchase::{Granted, Money, Price},
};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Path, Role, guarded, signed_in_app},
};
use store::{Decision, Needs, Receipt, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Shards of a stock when nobody says how many.
const SHARDS: u16 = 8;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let offers = Offers {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(offers));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Offers>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Operator, routes!(offer)))
        .routes(guarded(Role::Operator, routes!(issue_promo)))
}

/// What the function works with.
pub struct Offers {
    store: Store,
    entropy: Entropy,
}

/// Offers a package of which there are only so many. Who offered it and why stands in the
/// operator's journal.
#[utoipa::path(
    post, path = "/api/admin/limited-packages", operation_id = "limited_offer", tag = "admin",
    params(OptionalIdempotencyHeader), request_body = OfferPackageRequest,
    responses((status = 201, body = OfferPackageAnswer), WriteProblems)
)]
async fn offer(
    State(offers): State<Arc<Offers>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(request): Json<OfferPackageRequest>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &offers.entropy);
    let once = command::once_or_anew(key, "limited_offer", &request, &ctx);
    let reason = request.reason.clone();
    // What is wrong with it is said to nobody who may not offer anything.
    let package = package(request);
    let receipt = offers
        .store
        .execute_if(caller.subject(), once, |operator| {
            let Ok(package) = &package else { return Ok(None) };
            let plan = offer_limited::decide(operator, package, &reason, &ctx)?;
            let Package { code, stock, shards, .. } = package.clone();
            let answer = command::answer(201, &OfferPackageAnswer { code, stock, shards });
            Ok(Some(Decision { plan, answer: Some(answer) }))
        })
        .await?;
    answered(receipt, package.err())
}

/// Makes a code with which a package costs another price.
#[utoipa::path(
    post, path = "/api/admin/limited-packages/{code}/promo-codes",
    operation_id = "limited_issue_promo", tag = "admin",
    params(OptionalIdempotencyHeader, ("code" = String, Path)), request_body = IssuePromoRequest,
    responses((status = 201, body = IssuePromoAnswer), WriteProblems)
)]
async fn issue_promo(
    State(offers): State<Arc<Offers>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Path(code): Path<String>,
    Json(request): Json<IssuePromoRequest>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &offers.entropy);
    let once = command::once_or_anew(key, "limited_issue_promo", &(&code, &request), &ctx);
    let promo = price(request.price).map(|price| Promo {
        code: request.code,
        package: code.clone(),
        price,
        uses_left: request.uses,
        ends_at: request.ends_at,
    });
    let needs = Needs::default().package(&code);
    let receipt = offers
        .store
        .execute_with(caller.subject(), once, &needs, |operator, found| {
            let Ok(promo) = &promo else { return Ok(None) };
            let package = found.package.as_ref();
            let plan = offer_limited::issue_promo(operator, package, promo, &request.reason, &ctx)?;
            let Promo { code, package, uses_left: uses, .. } = promo.clone();
            let answer = command::answer(201, &IssuePromoAnswer { code, package, uses });
            Ok(Some(Decision { plan, answer: Some(answer) }))
        })
        .await?;
    answered(receipt, promo.err())
}

/// The stored answer, or what was wrong with the request.
fn answered(receipt: Option<Receipt>, wrong: Option<Problem>) -> Result<Response, Problem> {
    match (receipt, wrong) {
        (Some(receipt), _) => command::answered(receipt),
        (None, Some(wrong)) => Err(wrong),
        (None, None) => Err(Problem::internal("an offer that nobody decided on")),
    }
}

fn package(request: OfferPackageRequest) -> Result<Package, Problem> {
    if request.ends_at <= request.starts_at {
        let rule = Rule::TooSmall(request.starts_at.to_string());
        return Err(Problem::new(Code::ValidationFailed).field("/ends_at", rule));
    }
    let mut items = request.grants;
    let gold = items.remove(GOLD).map_or(Gold::ZERO, |gold| Gold::new(gold.into()));
    Ok(Package {
        code: request.code,
        name: text(request.name),
        description: text(request.description),
        price: price(request.price)?,
        grants: Granted { gold, items },
        stock: request.stock,
        shards: request.shards.unwrap_or(SHARDS),
        per_user_cap: request.per_user_cap,
        starts_at: request.starts_at,
        ends_at: request.ends_at,
    })
}

fn text(Wording { ko, en }: Wording) -> Text {
    Text { ko, en }
}

fn price(price: OfferPrice) -> Result<Price, Problem> {
    match (price.gold, price.money) {
        (Some(gold), None) => Ok(Price::Gold(Gold::new(gold))),
        (None, Some(money)) => {
            Ok(Price::Money(Money { amount_minor: money.amount_minor, currency: money.currency }))
        }
        _ => Err(Problem::new(Code::ValidationFailed).field("/price", Rule::InvalidFormat)),
    }
}
