//! What the shop shows a player: limited packages, and their own purchases.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Page,
    openapi::ReadProblems,
    page::PageQuery,
    shop::{LimitedPackage, LimitedPackages, Recommendations, Recommended, Transaction},
};
use domain::{
    ReceiptId,
    segment::{Figures, Recommendation},
};
use runtime::{
    Deps, Function, Problem,
    auth::JwtKeys,
    http::{Caller, Cursors, Meta, Path, Query, Role, guarded, ok, signed_in_app},
    secrets::Rotating,
};
use serde::{Deserialize, Serialize};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Entries looked at for one page of purchases, so that its cost is bounded however few
/// of them are purchases.
const LOOKED_AT: i32 = 200;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let shop = Shop {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
    };
    let keys = shop.keys.clone();
    let routes = router().with_state(Arc::new(shop));
    Ok(Function::http(signed_in_app(routes, &deps, keys)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Shop>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Standard, routes!(limited)))
        .routes(guarded(Role::Standard, routes!(recommendations)))
        .routes(guarded(Role::Standard, routes!(transactions)))
        .routes(guarded(Role::Standard, routes!(transaction)))
}

/// What the function works with.
pub struct Shop {
    store: Store,
    keys: Rotating<JwtKeys>,
}

/// Limited packages whose sale is not over, with what is left of them and how many the
/// caller has.
#[utoipa::path(
    get, path = "/api/shop/limited", operation_id = "limited_list", tag = "shop",
    responses((status = 200, body = LimitedPackages), ReadProblems)
)]
async fn limited(
    State(shop): State<Arc<Shop>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    let (_, mut packages) =
        tokio::try_join!(shop.store.player(caller.subject()), shop.store.packages())?;
    packages.retain(|package| meta.now < package.ends_at);
    let (stocks, bought) = shop.store.stocks(caller.player(), &packages).await?;
    let shown = packages.iter().map(|package| {
        let shards = stocks.get(&package.code).map_or(&[][..], Vec::as_slice);
        let bought = bought.get(&package.code).copied().unwrap_or(0);
        LimitedPackage::of(package, shards, bought, meta.language)
    });
    Ok(ok(&LimitedPackages { items: shown.collect() }))
}

/// What the shop recommends to the caller, by a look at the last ninety days every night;
/// until there was one, what it recommends to newcomers.
#[utoipa::path(
    get, path = "/api/recommendations", operation_id = "recommendations", tag = "shop",
    responses((status = 200, body = Recommendations), ReadProblems)
)]
async fn recommendations(
    State(shop): State<Arc<Shop>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    let (_, segmented) = tokio::try_join!(
        shop.store.player(caller.subject()),
        shop.store.segmented(caller.player(), meta.now),
    )?;
    let computed_at = segmented.as_ref().map(|of| of.at);
    let recommendations = segmented.map_or_else(of_newcomers, |of| of.recommendations);
    let items = recommendations.iter().filter_map(|of| Recommended::of(of, meta.language));
    Ok(ok(&Recommendations { computed_at, items: items.collect() }))
}

fn of_newcomers() -> Vec<Recommendation> {
    Figures { is_new: true, ..Figures::default() }.recommendations()
}

/// How far a list has come: purchases with a life of their own are items, those that
/// were over at once are entries of the journal.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Position {
    receipt: Option<ReceiptId>,
    seq: u64,
}

/// The caller's purchases, newest first. A page may hold fewer than `limit` and still
/// have a next one.
#[utoipa::path(
    get, path = "/api/shop/transactions", operation_id = "shop_transactions", tag = "shop",
    params(PageQuery),
    responses((status = 200, body = Page<Transaction>), ReadProblems)
)]
async fn transactions(
    State(shop): State<Arc<Shop>>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let player = caller.player();
    let cursors = Cursors::new(&*shop.keys.current().await?);
    let list = format!("shop-transactions:{player}");
    let from = match &page.cursor {
        Some(cursor) => cursors.open::<Position>(&list, cursor)?,
        None => Position { receipt: None, seq: u64::MAX },
    };
    let limit = i32::try_from(page.limit()).unwrap_or(i32::MAX);
    let (entries, purchases) = tokio::try_join!(
        shop.store.history(caller.subject(), from.seq, LOOKED_AT),
        shop.store.purchases(player, from.receipt, limit),
    )?;
    let more_entries = entries.last().is_some_and(|entry| entry.seq > 1);
    let more_purchases = purchases.len() == usize::try_from(page.limit()).unwrap_or(usize::MAX);
    // Both newest first: the newer of the two heads goes next. Behind the end of what was
    // read of one, nothing of the other may go: something newer may follow.
    let mut at = from;
    let mut items = Vec::new();
    let (mut entries, mut purchases) = (entries.iter().peekable(), purchases.iter().peekable());
    while items.len() < usize::try_from(page.limit()).unwrap_or(usize::MAX) {
        let entry_is_next = match (entries.peek(), purchases.peek()) {
            (Some(entry), Some(purchase)) => entry.at >= purchase.created_at,
            (Some(_), None) if more_purchases => break,
            (None, Some(_)) if more_entries => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        if entry_is_next {
            let Some(entry) = entries.next() else { break };
            at.seq = entry.seq;
            items.extend(Transaction::of_entry(entry));
        } else {
            let Some(purchase) = purchases.next() else { break };
            at.receipt = Some(purchase.receipt);
            items.push(Transaction::of(purchase));
        }
    }
    let left = entries.peek().is_some() || purchases.peek().is_some();
    let next_cursor = (left || more_entries || more_purchases).then(|| cursors.seal(&list, &at));
    Ok(ok(&Page { items, next_cursor }))
}

/// One of the caller's purchases, as it is now.
#[utoipa::path(
    get, path = "/api/shop/transactions/{receipt}", operation_id = "shop_transaction",
    tag = "shop", params(("receipt" = String, Path, format = Uuid)),
    responses((status = 200, body = Transaction), ReadProblems)
)]
async fn transaction(
    State(shop): State<Arc<Shop>>,
    caller: Caller,
    Path(receipt): Path<String>,
) -> Result<Response, Problem> {
    let receipt: Result<ReceiptId, _> = receipt.parse();
    // Whether the caller is still signed in comes first.
    let Ok(receipt) = receipt else {
        shop.store.player(caller.subject()).await?;
        return Err(Code::PurchaseNotFound.into());
    };
    let (purchase, entry) = tokio::try_join!(
        shop.store.purchase(caller.subject(), receipt),
        shop.store.purchase_entry(caller.player(), receipt),
    )?;
    let found = purchase.as_ref().map(Transaction::of);
    let found = found.or_else(|| entry.as_ref().and_then(Transaction::of_entry));
    Ok(ok(&found.ok_or(Problem::new(Code::PurchaseNotFound))?))
}
