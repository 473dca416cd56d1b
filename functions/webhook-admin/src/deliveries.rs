//! Deliveries: what became of them, and those that failed again.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Page, Rule,
    openapi::{OptionalIdempotencyHeader, ReadProblems, WriteProblems},
    webhook::{DeliveriesQuery, WebhookDelivery, WebhookDeliveryStatus, WebhookReason},
};
use domain::{
    command::administer_webhooks,
    webhook::{Delivery, DeliveryId},
};
use runtime::{
    Problem, command,
    http::{Caller, Cursors, IdempotencyKey, Json, Meta, Path, Query, ok},
};
use store::Decision;
use uuid::Uuid;

use crate::Webhooks;

/// An endpoint's deliveries, newest first. Those that failed are listed apart, so they
/// are found at once; of the others a page may hold fewer than `limit` and still have a
/// next one. They are forgotten after 30 days.
#[utoipa::path(
    get, path = "/api/admin/webhooks/deliveries", operation_id = "webhook_deliveries",
    tag = "admin", params(DeliveriesQuery),
    responses((status = 200, body = Page<WebhookDelivery>), ReadProblems)
)]
pub async fn list(
    State(webhooks): State<Arc<Webhooks>>,
    caller: Caller,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Response, Problem> {
    let store = &webhooks.store;
    store.player(caller.subject()).await?;
    let required = || Problem::invalid(Vec::new()).field("/endpoint", Rule::Required);
    let endpoint = query.endpoint.ok_or_else(required)?;
    let cursors = Cursors::new(&*webhooks.keys.current().await?);
    let list = format!("webhook-deliveries:{endpoint}:{:?}", query.status);
    let before = query.cursor.as_deref().map(|cursor| cursors.open::<Uuid>(&list, cursor));
    let before = before.transpose()?;
    let limit = usize::try_from(query.limit.unwrap_or(20)).unwrap_or(usize::MAX);
    let endpoint = endpoint.into();
    let page = match query.status {
        Some(WebhookDeliveryStatus::Failed) => {
            store.failed_deliveries(endpoint, before, limit).await?
        }
        status => store.deliveries(endpoint, status.map(Into::into), before, limit).await?,
    };
    let items: Vec<WebhookDelivery> = page.deliveries.iter().map(Into::into).collect();
    let next_cursor = page.next.map(|event| cursors.seal(&list, &event));
    Ok(ok(&Page { items, next_cursor }))
}

/// Makes a delivery that failed anew: six more attempts under the same `webhook-id`, to
/// where the endpoint is now. One that is on its way or has arrived is not repeated.
#[utoipa::path(
    post, path = "/api/admin/webhooks/replay/{id}", operation_id = "webhook_replay", tag = "admin",
    params(OptionalIdempotencyHeader, ("id" = String, Path)), request_body = WebhookReason,
    responses((status = 202, body = WebhookDelivery), WriteProblems)
)]
pub async fn replay(
    State(webhooks): State<Arc<Webhooks>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Path(id): Path<String>,
    Json(request): Json<WebhookReason>,
) -> Result<Response, Problem> {
    let store = &webhooks.store;
    let ctx = command::context(&meta, &webhooks.entropy);
    let once = command::once_or_anew(key, "webhook_replay", &(&id, &request), &ctx);
    if let Some(receipt) = store.receipt(caller.subject(), &once).await? {
        return command::answered(receipt);
    }
    let delivery = webhooks.delivery(&id).await?;
    let receipt = store
        .execute(caller.subject(), once, |operator| {
            let plan = administer_webhooks::replay(operator, &delivery, &request.reason, &ctx)?;
            let again = delivery.replayed(ctx.now);
            let answer = WebhookDelivery::from(again.as_ref().unwrap_or(&delivery));
            Ok(Decision { plan, answer: Some(command::answer(202, &answer)) })
        })
        .await?;
    command::answered(receipt)
}

impl Webhooks {
    async fn delivery(&self, id: &str) -> Result<Delivery, Problem> {
        let unknown = || Problem::new(Code::WebhookDeliveryNotFound);
        let id: DeliveryId = id.parse().map_err(|_| unknown())?;
        self.store.delivery(id).await?.ok_or_else(unknown)
    }
}
