//! `$disconnect`: forgets the socket. Best effort on AWS's side, so a socket
//! that is gone is also forgotten by `push` (410) and by expiry.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use runtime::{Deps, Function};
use serde_json::json;
use store::Store;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let store = Store::new(deps.aws(), deps.env.require("TABLE_NAME")?);
    Ok(Function::trigger(move |event: ApiGatewayWebsocketProxyRequest, _context| {
        let store = store.clone();
        async move {
            let connection_id = event.request_context.connection_id.unwrap_or_default();
            if let Some(player) = store.owner(&connection_id).await? {
                store.forget(player, &connection_id).await?;
                tracing::info!(%player, connection_id, "socket closed");
            }
            Ok(json!({ "statusCode": 200 }))
        }
    }))
}
