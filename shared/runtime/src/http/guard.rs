//! Who may call a route: the one declaration, which refuses and documents.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use contract::{Code, auth::Role};
use serde_json::json;
use utoipa::openapi::{
    extensions::ExtensionsBuilder,
    path::{Operation, PathItem},
    security::SecurityRequirement,
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{caller::Caller, scope::Scope};
use crate::Problem;

/// The member of an operation in the OpenAPI document that names the lowest role
/// that may call it. Operations without it are for everybody.
pub const REQUIRED_ROLE: &str = "x-required-role";

/// Lets a caller in who is signed in with at least this role: the route's handlers
/// can ask for a [`Caller`], and its operations in the OpenAPI document say so.
///
/// No token, or one that is malformed, forged or expired, is 401
/// `unauthenticated`; too low a role is 403 `forbidden`. That the session is still
/// open and the role still the caller's, the store finds with the state it loads
/// anyway: see [`store::Subject`].
pub fn guarded<S>(role: Role, route: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (schemas, mut paths, router) = route;
    for operation in paths.paths.values_mut().flat_map(operations) {
        let security = SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []);
        operation.security = Some(vec![security]);
        let required = ExtensionsBuilder::new().add(REQUIRED_ROLE, json!(role)).build();
        match &mut operation.extensions {
            Some(extensions) => extensions.merge(required),
            none => *none = Some(required),
        }
    }
    (schemas, paths, router.route_layer(middleware::from_fn_with_state(role, admit)))
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch]
        .into_iter()
        .flatten()
}

async fn admit(State(role): State<Role>, request: Request, next: Next) -> Response {
    match authenticated(role, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a guarded route is not in a signed_in_app")]
struct NoKeys;

async fn authenticated(role: Role, request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let scope: Arc<Scope> = Scope::of(&parts)?.clone();
    let keys = scope.keys.as_ref().ok_or_else(|| Problem::internal(NoKeys))?;
    let unauthenticated = || Problem::new(Code::Unauthenticated);
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) =
        header.and_then(|header| header.split_once(' ')).ok_or_else(unauthenticated)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthenticated());
    }
    let claims = keys.current().await?.verify(token.trim(), scope.meta.now)?;
    let caller = Caller::from(claims);
    // Set before the role is looked at: whose attempt it was belongs in the log.
    let _ = scope.player.set(caller.player().uuid());
    if caller.role() < role {
        return Err(Problem::new(Code::Forbidden));
    }
    parts.extensions.insert(caller);
    Ok(Request::from_parts(parts, body))
}
