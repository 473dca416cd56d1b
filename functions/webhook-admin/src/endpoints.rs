//! Receivers: who is told of what.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use contract::{
    Code, Rule,
    openapi::{IdempotencyHeader, OptionalIdempotencyHeader, ReadProblems, WriteProblems},
    webhook::{
        DeleteWebhookQuery, RegisterWebhookRequest, UpdateWebhookRequest, WebhookEndpoint,
        WebhookEndpoints, WebhookReason, WebhookSecretAnswer,
    },
};
use domain::{
    Ctx, Once, Rejection, WebhookEndpointId,
    command::administer_webhooks,
    webhook::{Edit, EventFilter, InvalidFilter, Target},
};
use runtime::{
    Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Path, Query, ok, rendered_answer},
};
use store::{Decision, Receipt};

use crate::Webhooks;

/// How often a change is decided anew that another operator's got in the way of.
const ATTEMPTS: u32 = 5;

/// What is asked for, by whom, once.
struct Asked<'a> {
    caller: Caller,
    once: Once,
    status: StatusCode,
    reason: &'a str,
    ctx: Ctx,
}

/// Registers a receiver. The answer shows its secret, and no other does until it is
/// rotated; with the same key it is given again, secret and all.
///
/// Every event of these types from now on is sent to the URL, at least once, by the
/// Standard Webhooks scheme: headers `webhook-id` (the same for every attempt),
/// `webhook-timestamp` and `webhook-signature`.
#[utoipa::path(
    post, path = "/api/admin/webhooks/endpoints", operation_id = "webhook_register", tag = "admin",
    params(OptionalIdempotencyHeader), request_body = RegisterWebhookRequest,
    responses((status = 201, body = WebhookSecretAnswer), WriteProblems)
)]
pub async fn register(
    State(webhooks): State<Arc<Webhooks>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(request): Json<RegisterWebhookRequest>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &webhooks.entropy);
    let edit = Edit::Register {
        id: WebhookEndpointId::mint(&ctx),
        url: request.url.clone(),
        filters: filters(&request.event_types)?,
        description: request.description.clone().unwrap_or_default(),
    };
    let once = command::once_or_anew(key, "webhook_register", &request, &ctx);
    let reason = &request.reason;
    let asked = Asked { caller, once, status: StatusCode::CREATED, reason, ctx };
    let receipt = webhooks.change(&asked, &edit, Some(&request.url)).await?;
    webhooks.with_secret(receipt).await
}

/// Every receiver, whether active or not.
#[utoipa::path(
    get, path = "/api/admin/webhooks/endpoints", operation_id = "webhook_list", tag = "admin",
    responses((status = 200, body = WebhookEndpoints), ReadProblems)
)]
pub async fn list(
    State(webhooks): State<Arc<Webhooks>>,
    caller: Caller,
) -> Result<Response, Problem> {
    let store = &webhooks.store;
    let (_, directory) = tokio::try_join!(store.player(caller.subject()), store.webhooks())?;
    Ok(ok(&WebhookEndpoints { items: directory.endpoints.iter().map(Into::into).collect() }))
}

/// Changes, activates or deactivates a receiver. While inactive it gets nothing, and
/// what it was owed fails; events from then are not made up for.
#[utoipa::path(
    put, path = "/api/admin/webhooks/endpoints/{id}", operation_id = "webhook_update", tag = "admin",
    params(OptionalIdempotencyHeader, ("id" = Uuid, Path)), request_body = UpdateWebhookRequest,
    responses((status = 200, body = WebhookEndpoint), WriteProblems)
)]
pub async fn update(
    State(webhooks): State<Arc<Webhooks>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Path(id): Path<String>,
    Json(request): Json<UpdateWebhookRequest>,
) -> Result<Response, Problem> {
    let edit = Edit::Update {
        id: webhooks.known(&caller, &id).await?,
        url: request.url.clone(),
        filters: request.event_types.as_deref().map(filters).transpose()?,
        description: request.description.clone(),
        active: request.active,
    };
    let ctx = command::context(&meta, &webhooks.entropy);
    let once = command::once_or_anew(key, "webhook_update", &(&id, &request), &ctx);
    let asked = Asked { caller, once, status: StatusCode::OK, reason: &request.reason, ctx };
    command::answered(webhooks.change(&asked, &edit, request.url.as_deref()).await?)
}

/// Gives a receiver a new secret. The one before it signs beside it for 24 hours, the one
/// before that no longer: rotating twice by mistake would leave it with none that signs, so
/// this needs a key.
#[utoipa::path(
    post, path = "/api/admin/webhooks/endpoints/{id}/rotate-secret",
    operation_id = "webhook_rotate_secret", tag = "admin",
    params(IdempotencyHeader, ("id" = Uuid, Path)), request_body = WebhookReason,
    responses((status = 200, body = WebhookSecretAnswer), WriteProblems)
)]
pub async fn rotate_secret(
    State(webhooks): State<Arc<Webhooks>>,
    meta: Meta,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<String>,
    Json(request): Json<WebhookReason>,
) -> Result<Response, Problem> {
    let edit = Edit::RotateSecret { id: webhooks.known(&caller, &id).await? };
    let ctx = command::context(&meta, &webhooks.entropy);
    let once = command::once(key, "webhook_rotate_secret", &(&id, &request));
    let asked = Asked { caller, once, status: StatusCode::OK, reason: &request.reason, ctx };
    let receipt = webhooks.change(&asked, &edit, None).await?;
    webhooks.with_secret(receipt).await
}

/// Deletes a receiver and answers with it as it last was. What it was owed fails.
#[utoipa::path(
    delete, path = "/api/admin/webhooks/endpoints/{id}", operation_id = "webhook_delete",
    tag = "admin", params(OptionalIdempotencyHeader, ("id" = Uuid, Path), DeleteWebhookQuery),
    responses((status = 200, body = WebhookEndpoint), WriteProblems)
)]
pub async fn delete(
    State(webhooks): State<Arc<Webhooks>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Path(id): Path<String>,
    Query(DeleteWebhookQuery { reason }): Query<DeleteWebhookQuery>,
) -> Result<Response, Problem> {
    let edit = Edit::Delete { id: webhooks.known(&caller, &id).await? };
    let Some(reason) = reason else {
        // Whoever is signed out learns that first.
        webhooks.store.player(caller.subject()).await?;
        return Err(Problem::invalid(Vec::new()).field("/reason", Rule::Required));
    };
    let ctx = command::context(&meta, &webhooks.entropy);
    let once = command::once_or_anew(key, "webhook_delete", &(&id, &reason), &ctx);
    let asked = Asked { caller, once, status: StatusCode::OK, reason: &reason, ctx };
    command::answered(webhooks.change(&asked, &edit, None).await?)
}

fn filters(texts: &[String]) -> Result<Vec<EventFilter>, Problem> {
    let filters = texts.iter().map(|text| EventFilter::try_from(text.clone()));
    // The request's own rules have seen to it.
    filters.collect::<Result<_, InvalidFilter>>().map_err(Problem::internal)
}

impl Webhooks {
    /// The id that a path names. Of the caller only the token was looked at so far, and
    /// whoever is signed out learns that first.
    async fn known(&self, caller: &Caller, id: &str) -> Result<WebhookEndpointId, Problem> {
        if let Ok(id) = id.parse() {
            return Ok(id);
        }
        self.store.player(caller.subject()).await?;
        Err(Rejection::WebhookEndpointNotFound.into())
    }

    /// Carries an edit out, once; `url` is checked unless it has happened already, since
    /// a name need not resolve for ever.
    async fn change(
        &self,
        asked: &Asked<'_>,
        edit: &Edit,
        url: Option<&str>,
    ) -> Result<Receipt, Problem> {
        let Asked { caller, once, status, reason, ctx } = asked;
        if let Some(receipt) = self.store.receipt(caller.subject(), once).await? {
            return Ok(receipt);
        }
        if let Some(url) = url {
            self.allow(url).await?;
        }
        let mut attempt = 1;
        loop {
            let directory = self.store.webhooks().await?;
            let changed = self
                .store
                .execute(caller.subject(), once.clone(), |operator| {
                    let (plan, endpoint) =
                        administer_webhooks::edit(operator, &directory, edit, reason, ctx)?;
                    let endpoint = WebhookEndpoint::from(&endpoint);
                    let answer = command::answer(status.as_u16(), &endpoint);
                    Ok(Decision { plan, answer: Some(answer) })
                })
                .await;
            match changed {
                Err(store::Error::Rejected(Rejection::WebhooksMoved)) if attempt < ATTEMPTS => {
                    attempt += 1;
                }
                other => return Ok(other?),
            }
        }
    }

    /// Refuses a URL that deliveries would be refused to, without saying more: the answer
    /// is no probe of what can be reached from here.
    async fn allow(&self, url: &str) -> Result<(), Problem> {
        let refused =
            || Problem::new(Code::WebhookUrlNotAllowed).field("/url", Rule::InvalidFormat);
        let target = Target::parse(url, self.resolver.reach()).map_err(|_| refused())?;
        self.resolver.check(&target).await.map_err(|_| refused())
    }

    /// The endpoint that an entry's answer holds, with its secret of then.
    async fn with_secret(&self, receipt: Receipt) -> Result<Response, Problem> {
        let Receipt { entry, replayed } = receipt;
        let stored =
            entry.answer.ok_or_else(|| Problem::internal("an entry without its answer"))?;
        let endpoint: WebhookEndpoint =
            serde_json::from_str(&stored.body).map_err(Problem::internal)?;
        let master = self.master.current().await?;
        let secret = master.secret(endpoint.id.into(), endpoint.secret_generation).reveal().into();
        let status = StatusCode::from_u16(stored.status).map_err(Problem::internal)?;
        Ok(rendered_answer(status, &WebhookSecretAnswer { endpoint, secret }, replayed))
    }
}
