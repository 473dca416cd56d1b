//! `POST /api/shop/limited/buy`: a package of which there are only so many.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Rule,
    openapi::{IdempotencyHeader, WriteProblems},
    shop::{BuyAnswer, BuyLimitedRequest, PendingPurchase},
};
use domain::{
    Entry, Player, Rejection,
    command::buy_limited::{self, Order},
    limited::Package,
    purchase::{Assessed, Price},
};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, signed_in_app},
    payments::{Checkout, Paying},
    till::{Asked, Till},
};
use store::{Decision, Found, Needs, Receipt, Store};
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
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(buy)))
}

/// What the function works with.
pub struct Shop {
    store: Store,
    checkout: Checkout,
    till: Till,
    entropy: Entropy,
}

/// Buys a limited package. What is paid for with gold is the player's at once; for what
/// is paid for with money, stock is kept back until it is paid or given up, and what
/// becomes of it is pushed as `purchase_update`.
#[utoipa::path(
    post, path = "/api/shop/limited/buy", operation_id = "limited_buy", tag = "shop",
    params(IdempotencyHeader), request_body = BuyLimitedRequest,
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
    Json(request): Json<BuyLimitedRequest>,
) -> Result<Response, Problem> {
    let asked = Asked {
        flow: "limited",
        player: caller.subject().player(),
        product: request.code.clone(),
        quantity: request.quantity,
    };
    let came = shop.buy(&meta, &caller, key, request).await;
    shop.till.answer(&meta, &asked, came).await
}

impl Shop {
    async fn buy(
        &self,
        meta: &Meta,
        caller: &Caller,
        key: IdempotencyKey,
        request: BuyLimitedRequest,
    ) -> Result<Receipt, Problem> {
        let BuyLimitedRequest { code, quantity, promo_code, payment_token } = request;
        // A package does not change, so it may be looked at before the rest is read.
        let mut known = Needs::default().package(&code);
        if let Some(promo) = &promo_code {
            known = known.promo(&code, promo);
        }
        let found = self.store.find_for(caller.subject(), &known).await?;
        let package = found.package.as_ref().ok_or(Problem::from(Rejection::PackageNotFound))?;
        if matches!(package.price, Price::Money(_)) && payment_token.is_none() {
            return Err(
                Problem::new(Code::PaymentTokenRequired).field("/payment_token", Rule::Required)
            );
        }
        let ctx = command::context(meta, &self.entropy);
        let token = payment_token.as_ref().map(contract::Secret::expose);
        let once = command::once(key, "limited_buy", &(&code, quantity, &promo_code, token));
        let mut needs = Needs::default().stock(package);
        if let Some(promo) = &promo_code {
            needs = needs.promo(&code, promo);
        }
        let subject = caller.subject();
        let wish = Wish { package, quantity, promo: promo_code.as_deref() };
        let (ctx, needs) = (&ctx, &needs);
        let begin = |once, assessed| async move {
            let decide = |state: &Player, found: &Found| {
                let plan = buy_limited::decide(state, &wish.order(found, assessed), ctx)?;
                let answer = Some(rendered(plan.entry()));
                Ok(Some(Decision { plan, answer }))
            };
            self.store
                .execute_with(subject, once, needs, decide)
                .await
                .map_err(|error| Problem::from(error).blaming("/quantity"))?
                .ok_or_else(|| Problem::internal("a purchase that nobody decided on"))
        };
        let Some(token) = payment_token else {
            return begin(once, None).await;
        };
        let paying = Paying { subject, once, token, meta, ctx };
        let price = || wish.order(&found, None).price(ctx);
        self.checkout.pay(paying, price, begin).await
    }
}

/// What somebody would like to buy.
#[derive(Clone, Copy)]
struct Wish<'a> {
    package: &'a Package,
    quantity: u32,
    promo: Option<&'a str>,
}

impl<'a> Wish<'a> {
    fn order(self, found: &'a Found, assessed: Option<Assessed>) -> Order<'a> {
        let promo = self.promo.map(|code| (code, found.promo.as_ref()));
        let Self { package, quantity, .. } = self;
        Order { package, quantity, shards: &found.shards, promo, assessed }
    }
}

fn rendered(entry: &Entry) -> domain::Answer {
    match (PendingPurchase::of(entry), BuyAnswer::of(entry)) {
        (Some(pending), _) => command::answer(202, &pending),
        (None, bought) => command::answer(200, &bought),
    }
}
