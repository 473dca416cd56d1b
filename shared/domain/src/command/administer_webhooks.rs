//! What operators do about webhooks.

use crate::{
    Change, Ctx, Fact, Legs, Plan, Player, Rejection,
    webhook::{Delivery, Directory, Edit, Endpoint},
};

/// Changes an endpoint, on the journal of the operator who asks for it; also the
/// endpoint as it is then (or was, when it is deleted).
///
/// # Errors
/// [`Rejection::WebhookEndpointNotFound`], [`Rejection::TooManyWebhookEndpoints`]; at
/// commit [`Rejection::WebhooksMoved`], when somebody else changed one meanwhile.
pub fn edit(
    operator: &Player,
    directory: &Directory,
    edit: &Edit,
    reason: &str,
    ctx: &Ctx,
) -> Result<(Plan, Endpoint), Rejection> {
    let (directory, endpoint, change) = directory.edited(edit, ctx.now)?;
    let reason = reason.to_owned();
    let fact = Fact::WebhookEndpointChanged { endpoint: endpoint.id, change, reason };
    let plan = Plan::new(operator, ctx, fact, Legs::none())?;
    Ok((plan.with(Change::SaveWebhooks { directory }), endpoint))
}

/// Asks for a failed delivery to be made again. The entry's event is what puts it back
/// into the queue.
///
/// # Errors
/// [`Rejection::WebhookDeliveryNotFailed`], also at commit.
pub fn replay(
    operator: &Player,
    delivery: &Delivery,
    reason: &str,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let again = delivery.replayed(ctx.now).ok_or(Rejection::WebhookDeliveryNotFailed)?;
    let fact = Fact::WebhookDeliveryReplayed { delivery: again.id, reason: reason.to_owned() };
    let plan = Plan::new(operator, ctx, fact, Legs::none())?;
    let unlist = Change::UnlistFailedDelivery { id: again.id };
    Ok(plan.with(Change::ReplayDelivery { delivery: again }).with(unlist))
}
