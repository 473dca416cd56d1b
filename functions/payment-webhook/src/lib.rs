//! `POST /api/shop/webhook/payment`: what the payment provider says by itself.
//!
//! Checked in this order, each with a code of its own and without any effect: the
//! signature's form, its key, its time, the signature, the nonce, then what was paid for
//! and how much. An event that was handled is taken again before that, whatever it says.
//! A nonce is used up even if what follows fails: a provider signs anew whatever it sends
//! again.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use contract::{Code, openapi::PublicWriteProblems, shop::NoticeAnswer};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Meta, Raw, app, ok},
    payments::{Desk, Notices, Told},
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or a variable of [`runtime::payments`] is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let store = Store::new(deps.aws(), deps.env.require("TABLE_NAME")?);
    let desk = Desk::new(store.clone(), deps.payments()?, "webhook");
    let notices = deps.payment_notices()?;
    let webhook = Webhook { store, desk, notices, entropy: deps.entropy.clone() };
    Ok(Function::http(app(router().with_state(Arc::new(webhook)), &deps)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Webhook>> {
    OpenApiRouter::new().routes(routes!(notice))
}

/// What the function works with.
pub struct Webhook {
    store: Store,
    desk: Desk,
    notices: Notices,
    entropy: Entropy,
}

/// Takes a notice of the payment provider, signed in `X-Webhook-Signature`. A notice that
/// was handled is answered with 200 again and does nothing.
#[utoipa::path(
    post, path = "/api/shop/webhook/payment", operation_id = "payment_webhook", tag = "shop",
    params((
        "X-Webhook-Signature" = Option<String>, Header,
        description = "`algo=HMAC-SHA256,kid=…,ts=…,nonce=…,sig=base64(HMAC(secret, ts.nonce.body))`; \
                       Stripe signs in `Stripe-Signature`."
    )),
    request_body = serde_json::Value,
    responses(
        (status = 200, body = NoticeAnswer),
        PublicWriteProblems
    )
)]
async fn notice(
    State(webhook): State<Arc<Webhook>>,
    meta: Meta,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let Webhook { store, desk, notices, entropy } = &*webhook;
    let notice = notices.read(&headers, &body, meta.now).await?;
    if let Some(nonce) = &notice.nonce
        && !store.use_nonce(&nonce.kid, &nonce.nonce, meta.now).await?
    {
        return Err(Code::WebhookNonceReused.into());
    }
    if let Some(payment) = &notice.payment {
        let body_hash = command::bytes_hash(&body);
        let told = Told { event_id: &notice.event_id, body_hash: &body_hash };
        desk.learn(payment, &command::context(&meta, entropy), Some(&told)).await?;
    }
    Ok(ok(&NoticeAnswer { received: true }))
}
