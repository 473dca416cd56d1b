//! Webhook endpoints and deliveries, for operators.
//!
//! Each change is a command on the operator's journal. An answer that shows a secret is
//! rendered again when it is asked for again: the journal holds the endpoint as it was
//! then, and the secret is a function of the endpoint's id and generation.

mod deliveries;
mod endpoints;

use std::sync::Arc;

use domain::webhook::WebhookMasterKey;
use runtime::{
    Deps, Entropy, Function,
    auth::JwtKeys,
    egress::Resolver,
    http::{Role, guarded, signed_in_app},
    secrets::Rotating,
    webhooks::reach,
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `STAGE`, `TABLE_NAME`, `JWT_KEYS_SECRET` or `WEBHOOK_MASTER_KEY_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let webhooks = Webhooks {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
        master: deps.webhook_master_key()?,
        resolver: Resolver::new(reach(&deps.env)?),
        entropy: deps.entropy.clone(),
    };
    let keys = webhooks.keys.clone();
    let routes = router().with_state(Arc::new(webhooks));
    Ok(Function::http(signed_in_app(routes, &deps, keys)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Webhooks>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Operator, routes!(endpoints::register, endpoints::list)))
        .routes(guarded(Role::Operator, routes!(endpoints::update, endpoints::delete)))
        .routes(guarded(Role::Operator, routes!(endpoints::rotate_secret)))
        .routes(guarded(Role::Operator, routes!(deliveries::list)))
        .routes(guarded(Role::Operator, routes!(deliveries::replay)))
}

/// What the function works with.
pub struct Webhooks {
    store: Store,
    keys: Rotating<JwtKeys>,
    master: Rotating<WebhookMasterKey>,
    resolver: Resolver,
    entropy: Entropy,
}
