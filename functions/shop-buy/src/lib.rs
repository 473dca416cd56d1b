//! `POST /api/shop/buy`: an item for gold, at the catalog's price.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    openapi::{IdempotencyHeader, WriteProblems},
    shop::{BuyAnswer, BuyRequest, PurchaseStatus},
};
use domain::{Fact, Plan, catalog, command::buy_item};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, signed_in_app},
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let shop = Shop {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(shop));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Shop>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Standard, routes!(buy)))
        .routes(guarded(Role::Standard, routes!(purchase)))
}

/// What the function works with.
pub struct Shop {
    store: Store,
    entropy: Entropy,
}

/// Buys an item. The price is the catalog's, never the client's.
#[utoipa::path(
    post, path = "/api/shop/buy", operation_id = "shop_buy", tag = "shop",
    params(IdempotencyHeader), request_body = BuyRequest,
    responses((status = 200, body = BuyAnswer), WriteProblems)
)]
async fn buy(
    State(shop): State<Arc<Shop>>,
    meta: Meta,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<BuyRequest>,
) -> Result<Response, Problem> {
    let BuyRequest { product_id, quantity, .. } = request;
    let ctx = command::context(&meta, &shop.entropy);
    let once = command::once(key, "shop_buy", &(&product_id, quantity));
    let receipt = shop
        .store
        .execute(caller.subject(), once, |state| {
            let plan = buy_item::decide(state, &product_id, quantity, &ctx)?;
            let answer = rendered(&plan).map(|answer| command::answer(200, &answer));
            Ok(Decision { plan, answer })
        })
        .await
        .map_err(|error| Problem::from(error).blaming("/quantity"))?;
    command::answered(receipt)
}

/// The same as `/api/shop/buy`.
#[utoipa::path(
    post, path = "/api/shop/purchase", operation_id = "shop_purchase", tag = "shop",
    params(IdempotencyHeader), request_body = BuyRequest,
    responses((status = 200, body = BuyAnswer), WriteProblems)
)]
async fn purchase(
    shop: State<Arc<Shop>>,
    meta: Meta,
    caller: Caller,
    key: IdempotencyKey,
    request: Json<BuyRequest>,
) -> Result<Response, Problem> {
    buy(shop, meta, caller, key, request).await
}

fn rendered(plan: &Plan) -> Option<BuyAnswer> {
    let entry = plan.entry();
    let Fact::ItemPurchased { receipt, product, quantity, price, .. } = &entry.fact else {
        return None;
    };
    let grants = &catalog::product(product)?.grants;
    Some(BuyAnswer {
        receipt: receipt.uuid(),
        status: PurchaseStatus::Success,
        product_id: product.clone(),
        quantity: *quantity,
        price_gold: price.units(),
        gold_balance: entry.after.gold.units(),
        granted: grants.iter().map(|(code, each)| (code.clone(), each * quantity)).collect(),
    })
}
