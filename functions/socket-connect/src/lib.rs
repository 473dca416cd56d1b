//! `$connect`: lets a player in who brings a ticket or an access token.
//!
//! API Gateway lets nobody post to a socket before this has answered, so the
//! greeting goes through the push queue.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use domain::{Credentials, PlayerId, Role, SessionId};
use jiff::Timestamp;
use runtime::{
    Clock, Deps, Function,
    auth::{JwtKeys, fingerprint},
    chain,
    push::{Body, Message, Queue},
    secrets::Rotating,
};
use serde_json::{Value, json};
use store::{Store, Subject, Ticket};

const PROTOCOL: &str = "sec-websocket-protocol";

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `PUSH_QUEUE_URL` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let door = std::sync::Arc::new(Door {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        push: Queue::new(&deps)?,
        keys: deps.jwt_keys()?,
        clock: deps.clock.clone(),
    });
    Ok(Function::trigger(move |event: ApiGatewayWebsocketProxyRequest, _context| {
        let door = door.clone();
        async move { door.open(&event).await }
    }))
}

struct Door {
    store: Store,
    push: Queue,
    keys: Rotating<JwtKeys>,
    clock: Clock,
}

/// Someone known, and the subprotocol the handshake must name, if any was offered.
struct Guest {
    subject: Subject,
    protocol: Option<String>,
}

impl Door {
    async fn open(&self, event: &ApiGatewayWebsocketProxyRequest) -> Result<Value, runtime::Error> {
        let now = self.clock.now();
        let connection_id = event.request_context.connection_id.as_deref().unwrap_or_default();
        let Some(Guest { subject, protocol }) = self.recognise(event, now).await? else {
            tracing::info!(connection_id, "refused a socket: no valid ticket or token");
            return Ok(json!({ "statusCode": 401 }));
        };
        let player = subject.player();
        match self.store.player(subject).await {
            Ok(_) => {}
            Err(store::Error::Rejected(_) | store::Error::PlayerNotFound(_)) => {
                tracing::info!(%player, connection_id, "refused a socket: the session has ended");
                return Ok(json!({ "statusCode": 401 }));
            }
            Err(error) => return Err(error.into()),
        }
        self.store.connect(subject, connection_id, now).await?;
        // Who is counted as online hangs on it, and nothing else.
        if let Err(error) = self.store.present(player, now).await {
            tracing::warn!(%player, error = chain(&error), "not noted as present");
        }
        // The last thing: until this has answered, whoever greets finds the socket gone.
        let body = Body::Greet { connection_id: connection_id.to_owned() };
        self.push.send(&[Message { player, body }]).await?;
        tracing::info!(%player, connection_id, "socket opened");
        Ok(match protocol {
            None => json!({ "statusCode": 200 }),
            Some(protocol) => {
                json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": protocol } })
            }
        })
    }

    async fn recognise(
        &self,
        event: &ApiGatewayWebsocketProxyRequest,
        now: Timestamp,
    ) -> Result<Option<Guest>, runtime::Error> {
        let offered: Vec<&str> = event
            .headers
            .get(PROTOCOL)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.split(',').map(str::trim).collect())
            .unwrap_or_default();
        if let Some(ticket) = event.query_string_parameters.first("ticket") {
            let ticket = self.store.take_ticket(&fingerprint(ticket), now).await?;
            let protocol = offered.first().map(|&protocol| protocol.to_owned());
            return Ok(ticket.map(|Ticket { player, session, role, .. }| Guest {
                subject: subject(player, session, role),
                protocol,
            }));
        }
        // A browser can set no header but this one: `bearer, <access token>`.
        let keys = self.keys.current().await?;
        let token = offered.iter().find_map(|token| keys.verify(token, now).ok());
        Ok(token.map(|claims| Guest {
            subject: subject(claims.sub.into(), claims.sid.into(), claims.role),
            protocol: offered.first().map(|&protocol| protocol.to_owned()),
        }))
    }
}

fn subject(player: PlayerId, session: SessionId, role: Role) -> Subject {
    Subject::caller(player, Credentials { session, role, before_password_change: false })
}
