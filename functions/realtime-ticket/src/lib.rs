//! `POST /api/realtime/ticket`: the right to open one socket within 30 seconds.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    openapi::WriteProblems,
    realtime::{TICKET_SECONDS, TicketAnswer},
};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::Opaque,
    http::{Caller, Meta, Role, guarded, ok, signed_in_app},
};
use store::{Store, Ticket};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `SOCKET_URL` or `JWT_KEYS` is missing or unusable.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let tickets = Tickets {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
        socket_url: deps.env.require("SOCKET_URL")?.to_owned(),
    };
    let routes = router().with_state(Arc::new(tickets));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Tickets>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(ticket)))
}

/// What the function works with.
pub struct Tickets {
    store: Store,
    entropy: Entropy,
    socket_url: String,
}

/// A ticket for the socket, good once and for 30 seconds.
#[utoipa::path(
    post, path = "/api/realtime/ticket", operation_id = "realtime_ticket", tag = "realtime",
    responses((status = 200, body = TicketAnswer), WriteProblems)
)]
async fn ticket(
    State(tickets): State<Arc<Tickets>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    tickets.store.player(caller.subject()).await?;
    let Opaque { token, fingerprint } = Opaque::generate(&tickets.entropy);
    let expires_at = meta.now.as_second() + i64::from(TICKET_SECONDS);
    let stored = Ticket {
        player: caller.player(),
        session: caller.session(),
        role: caller.role(),
        expires_at,
    };
    tickets.store.put_ticket(&fingerprint, &stored).await?;
    Ok(ok(&TicketAnswer {
        ticket: token,
        url: tickets.socket_url.clone(),
        expires_in: TICKET_SECONDS,
    }))
}
