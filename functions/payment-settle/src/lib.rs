//! `POST /api/shop/transactions/{receipt}/settle`: asks the payment provider, and
//! finishes a purchase that is still open.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code,
    openapi::{OptionalIdempotencyHeader, WriteProblems},
    shop::Transaction,
};
use domain::ReceiptId;
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Meta, Path, Role, guarded, ok, signed_in_app},
    payments::Desk,
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `JWT_KEYS_SECRET` or a variable of [`runtime::payments`] is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let store = Store::new(deps.aws(), deps.env.require("TABLE_NAME")?);
    let desk = Desk::new(store.clone(), deps.payments()?, "settle");
    let settling = Settling { store, desk, entropy: deps.entropy.clone() };
    let routes = router().with_state(Arc::new(settling));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Settling>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(settle)))
}

/// What the function works with.
pub struct Settling {
    store: Store,
    desk: Desk,
    entropy: Entropy,
}

/// The purchase as it is once the provider was asked. Settling twice, or at once with a
/// notice of the provider's, pays once: the receipt is the key.
#[utoipa::path(
    post, path = "/api/shop/transactions/{receipt}/settle", operation_id = "payment_settle",
    tag = "shop",
    params(OptionalIdempotencyHeader, ("receipt" = String, Path, format = Uuid)),
    responses((status = 200, body = Transaction), WriteProblems)
)]
async fn settle(
    State(settling): State<Arc<Settling>>,
    meta: Meta,
    caller: Caller,
    _unneeded: Option<IdempotencyKey>,
    Path(receipt): Path<String>,
) -> Result<Response, Problem> {
    let Settling { store, desk, entropy } = &*settling;
    let receipt: Result<ReceiptId, _> = receipt.parse();
    let Ok(receipt) = receipt else {
        // Whether the caller is still signed in comes first.
        store.player(caller.subject()).await?;
        return Err(Code::PurchaseNotFound.into());
    };
    let Some(purchase) = store.purchase(caller.subject(), receipt).await? else {
        // What was paid for with gold was over at once.
        let entry = store.purchase_entry(caller.player(), receipt).await?;
        let bought = entry.as_ref().and_then(Transaction::of_entry);
        return Ok(ok(&bought.ok_or(Problem::new(Code::PurchaseNotFound))?));
    };
    let learned = desk.ask(&purchase, &command::context(&meta, entropy)).await?;
    Ok(ok(&Transaction::of(&learned.purchase)))
}
