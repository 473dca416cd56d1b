//! `POST /api/shop/buy`: an item for gold, or a gold pack for money, at the catalog's
//! price.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Rule,
    openapi::{IdempotencyHeader, WriteProblems},
    shop::{BuyAnswer, BuyRequest, PendingPurchase},
};
use domain::{
    Player,
    catalog::{self, Product},
    command::{buy_item, buy_pack},
};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, signed_in_app},
    payments::{Checkout, Paying},
    till::{Asked, Till},
};
use store::{Decision, Receipt, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `PUSH_QUEUE_URL`, `JWT_KEYS_SECRET` or a variable of
/// [`runtime::payments`] is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let store = Store::new(deps.aws(), deps.env.require("TABLE_NAME")?);
    let checkout = Checkout::new(&deps, store.clone())?;
    let till = Till::new(&deps)?;
    let shop = Shop { store, checkout, till, entropy: deps.entropy.clone() };
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
    checkout: Checkout,
    till: Till,
    entropy: Entropy,
}

/// Buys an item for gold, at once; or begins to buy a gold pack for money: what becomes
/// of it is pushed as `purchase_update`. The price is the catalog's, never the client's.
#[utoipa::path(
    post, path = "/api/shop/buy", operation_id = "shop_buy", tag = "shop",
    params(IdempotencyHeader), request_body = BuyRequest,
    responses(
        (status = 200, body = BuyAnswer),
        (status = 202, body = PendingPurchase),
        WriteProblems
    )
)]
async fn buy(
    State(shop): State<Arc<Shop>>,
    meta: Meta,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<BuyRequest>,
) -> Result<Response, Problem> {
    let pack = catalog::product(&request.product_id).and_then(Product::money).is_some();
    let asked = Asked {
        flow: if pack { "money" } else { "gold" },
        player: caller.subject().player(),
        product: request.product_id.clone(),
        quantity: request.quantity,
    };
    let came = if pack {
        shop.buy_pack(&meta, &caller, key, request).await
    } else {
        shop.buy_item(&meta, &caller, key, request).await
    };
    shop.till.answer(&meta, &asked, came).await
}

/// The same as `/api/shop/buy`.
#[utoipa::path(
    post, path = "/api/shop/purchase", operation_id = "shop_purchase", tag = "shop",
    params(IdempotencyHeader), request_body = BuyRequest,
    responses(
        (status = 200, body = BuyAnswer),
        (status = 202, body = PendingPurchase),
        WriteProblems
    )
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

impl Shop {
    async fn buy_item(
        &self,
        meta: &Meta,
        caller: &Caller,
        key: IdempotencyKey,
        BuyRequest { product_id, quantity, payment_token }: BuyRequest,
    ) -> Result<Receipt, Problem> {
        let ctx = command::context(meta, &self.entropy);
        // No token is needed, but with one it is another body.
        let once = match &payment_token {
            Some(token) => command::once(key, "shop_buy", &(&product_id, quantity, token.expose())),
            None => command::once(key, "shop_buy", &(&product_id, quantity)),
        };
        self.store
            .execute(caller.subject(), once, |state| {
                let plan = buy_item::decide(state, &product_id, quantity, &ctx)?;
                let answer = BuyAnswer::of(plan.entry());
                let answer = answer.map(|answer| command::answer(200, &answer));
                Ok(Decision { plan, answer })
            })
            .await
            .map_err(|error| Problem::from(error).blaming("/quantity"))
    }

    async fn buy_pack(
        &self,
        meta: &Meta,
        caller: &Caller,
        key: IdempotencyKey,
        BuyRequest { product_id, quantity, payment_token }: BuyRequest,
    ) -> Result<Receipt, Problem> {
        let Some(token) = payment_token else {
            // Whether the caller is still signed in comes first.
            self.store.player(caller.subject()).await?;
            return Err(
                Problem::new(Code::PaymentTokenRequired).field("/payment_token", Rule::Required)
            );
        };
        let ctx = command::context(meta, &self.entropy);
        let once = command::once(key, "shop_buy", &(&product_id, quantity, token.expose()));
        let subject = caller.subject();
        let paying = Paying { subject, once, token, meta, ctx: &ctx };
        let price = || buy_pack::price(&product_id, quantity);
        let (ctx, product_id) = (&ctx, &product_id);
        let begin = |once, assessed| async move {
            let decide = |state: &Player| {
                let plan = buy_pack::decide(state, product_id, quantity, assessed, ctx)?;
                let answer = PendingPurchase::of(plan.entry());
                let answer = answer.map(|answer| command::answer(202, &answer));
                Ok(Decision { plan, answer })
            };
            Ok(self.store.execute(subject, once, decide).await?)
        };
        self.checkout.pay(paying, price, begin).await
    }
}
