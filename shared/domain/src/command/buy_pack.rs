//! A purchase of gold, to be paid with money.

use super::buy_item::wanted;
use crate::{
    Change, Ctx, Fact, Legs, Plan, Player, ReceiptId, Rejection,
    purchase::{Assessed, Granted, PENDING_FOR, Price, Purchase, Status},
};

/// Begins to buy `quantity` of a gold pack: nothing is granted before it is paid. The
/// price is the catalog's.
///
/// # Errors
/// [`Rejection::ProductNotFound`], also for what is not paid for with money;
/// [`Rejection::QuantityOutOfRange`], [`Rejection::AmountOutOfRange`].
pub fn decide(
    player: &Player,
    product_id: &str,
    quantity: u32,
    assessed: Option<Assessed>,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let price = price(product_id, quantity)?;
    let product = wanted(product_id, quantity)?;
    let purchase = Purchase {
        receipt: ReceiptId::mint(ctx),
        player: player.id,
        product: product.product_id.clone(),
        quantity,
        price,
        grants: product.granted(quantity)?,
        status: Status::Created,
        reason: None,
        hold: None,
        clawback: None,
        assessed,
        created_at: ctx.now,
        updated_at: ctx.now,
        due_at: ctx.now.checked_add(PENDING_FOR).unwrap_or(ctx.now),
    };
    begin(player, purchase, Granted::default(), Legs::none(), ctx)
}

/// What `quantity` of a gold pack cost, for what has to know before.
///
/// # Errors
/// As [`decide`].
pub fn price(product_id: &str, quantity: u32) -> Result<Price, Rejection> {
    let product = wanted(product_id, quantity)?;
    product.money().ok_or(Rejection::ProductNotFound)?;
    Ok(product.price.times(quantity)?)
}

/// The entry with which a purchase begins, and its record.
pub(super) fn begin(
    player: &Player,
    purchase: Purchase,
    granted: Granted,
    legs: Legs,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let fact = Fact::PurchaseAdvanced {
        receipt: purchase.receipt,
        product: purchase.product.clone(),
        quantity: purchase.quantity,
        price: purchase.price.clone(),
        from: None,
        to: purchase.status,
        granted,
        clawback: None,
        reason: None,
    };
    let plan = Plan::new(player, ctx, fact, legs)?;
    let at = plan.entry().at;
    let purchase = Purchase { created_at: at, updated_at: at, ..purchase };
    let (receipt, due_at) = (purchase.receipt, purchase.due_at);
    let plan = match purchase.status.is_open() {
        true => plan.with(Change::Watch { receipt, due_at }),
        false => plan,
    };
    Ok(plan.with(Change::BeginPurchase { purchase: Box::new(purchase) }))
}
