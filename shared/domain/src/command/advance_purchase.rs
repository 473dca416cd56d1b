//! What becomes of a purchase when something is learned of its payment.

use crate::{
    Account, Change, Ctx, Fact, Gold, Legs, Overflow, Plan, Player, ReceiptId, Rejection,
    purchase::{Clawback, Event, Granted, Purchase, Status},
};

/// Each kind of event changes a purchase once at most, so this happens once, whoever
/// brings the news.
#[must_use]
pub fn natural_key(receipt: ReceiptId, event: &Event) -> String {
    format!("purchase:{receipt}:{}", event.as_str())
}

/// Where `event` leads; `None` where it changes nothing.
///
/// A grant that does not fit the balance does not stop the event: the purchase is then
/// [`Status::GrantFailed`].
///
/// # Errors
/// [`Rejection::AmountOutOfRange`] of anything else.
pub fn decide(
    player: &Player,
    purchase: &Purchase,
    event: &Event,
    ctx: &Ctx,
) -> Result<Option<Plan>, Rejection> {
    let Some(to) = purchase.after(event) else { return Ok(None) };
    match to_status(player, purchase, to, event, ctx) {
        Err(Rejection::AmountOutOfRange) if to == Status::Succeeded => {
            to_status(player, purchase, Status::GrantFailed, event, ctx).map(Some)
        }
        decided => decided.map(Some),
    }
}

fn to_status(
    player: &Player,
    purchase: &Purchase,
    to: Status,
    event: &Event,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let granted = match to {
        Status::Succeeded => purchase.grants.clone(),
        _ => Granted::default(),
    };
    let clawback = match (purchase.status, to) {
        (Status::Succeeded, Status::Refunded | Status::ChargedBack) => {
            Some(clawback(player, &purchase.grants)?)
        }
        _ => None,
    };
    let legs = match &clawback {
        Some(clawback) => Legs::to_player(Account::BurnRefund, clawback.taken.negated()?)?,
        None => Legs::to_player(Account::MintShop, granted.gold)?,
    };
    let reason = match event {
        Event::Declined { reason } => Some(reason.clone()),
        _ => None,
    };
    let fact = Fact::PurchaseAdvanced {
        receipt: purchase.receipt,
        product: purchase.product.clone(),
        quantity: purchase.quantity,
        price: purchase.price.clone(),
        from: Some(purchase.status),
        to,
        granted,
        clawback: clawback.clone(),
        reason: reason.clone(),
    };
    let mut plan = Plan::new(player, ctx, fact, legs)?;
    let next = Purchase {
        status: to,
        reason: reason.or_else(|| purchase.reason.clone()),
        clawback,
        updated_at: plan.entry().at,
        ..purchase.clone()
    };
    let (receipt, due_at) = (purchase.receipt, purchase.due_at);
    plan = match (purchase.status.is_open(), to.is_open()) {
        (true, false) => plan.with(Change::Unwatch { receipt, due_at }),
        (false, true) => plan.with(Change::Watch { receipt, due_at }),
        _ => plan,
    };
    if purchase.status.holds() && !to.holds() {
        plan = settled(plan, purchase, to == Status::Succeeded);
    }
    Ok(plan.with(Change::AdvancePurchase { from: purchase.status, purchase: Box::new(next) }))
}

/// The hold of the purchase is sold, or given back with what went with it.
fn settled(mut plan: Plan, purchase: &Purchase, sold: bool) -> Plan {
    let Some(hold) = &purchase.hold else { return plan };
    let package = || hold.package.clone();
    for taken in &hold.taken {
        plan = plan.with(Change::SettleStock { package: package(), taken: *taken, sold });
    }
    if !sold {
        plan = plan.with(Change::DiscountFromCap { package: package(), units: purchase.quantity });
        if let Some(code) = hold.promo.clone() {
            plan = plan.with(Change::ReturnPromo { package: package(), code });
        }
    }
    plan
}

/// What is there is taken, the rest is owed.
fn clawback(player: &Player, grants: &Granted) -> Result<Clawback, Overflow> {
    let taken = grants.gold.min(player.gold).max(Gold::ZERO);
    let owed = grants.gold.minus(taken)?;
    let protections = grants.protections().min(player.streak.protections);
    Ok(Clawback { taken, owed, protections })
}
