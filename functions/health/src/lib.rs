//! What the API says of itself: health, the OpenAPI document, and that a path or
//! method does not exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::{OriginalUri, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use contract::{
    Code,
    health::{Health, HealthStatus},
};
use runtime::{
    Deps, Function, Problem,
    http::{app, document, ok},
};
use serde_json::Value;
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The document as it was generated from all functions' routes and committed.
const OPENAPI: &str = include_str!("../../../infra/openapi.json");

/// What whoever built this said of the build, in variables of its environment. A fact of
/// the binary: no setting of a later deployment can tell otherwise. Where nobody says it,
/// as on a developer's machine, a commit makes nothing stale.
const BUILD_ID: Option<&str> = option_env!("BUILD_ID");
const GIT_SHA: Option<&str> = option_env!("GIT_SHA");

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let service = Service {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        stage: deps.env.get("STAGE").unwrap_or("dev").to_owned(),
    };
    let routes: Router = router().with_state(Arc::new(service)).into();
    // API Gateway sends here what no other route matches. Routes, not a fallback:
    // `app` has one of its own, which knows the paths of this function only.
    let routes = routes.route("/", any(nothing_here)).route("/{*path}", any(nothing_here));
    Ok(Function::http(app(routes, &deps)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(auth_health))
        .routes(routes!(openapi))
}

/// What the function works with.
pub struct Service {
    store: Store,
    stage: String,
}

/// A variable that holds nothing says nothing.
fn said(of_build: Option<&'static str>) -> Option<&'static str> {
    of_build.filter(|text| !text.is_empty())
}

/// What is running and whether it can work; 503 when it cannot.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "operations",
    responses((status = 200, body = Health), (status = 503, body = Health))
)]
async fn health(State(service): State<Arc<Service>>) -> Response {
    let table = match service.store.ping().await {
        Ok(()) => HealthStatus::Ok,
        Err(error) => {
            tracing::warn!(%error, "the table does not answer");
            HealthStatus::Down
        }
    };
    let mut response = ok(&Health {
        status: table,
        build_id: said(BUILD_ID).unwrap_or("local").to_owned(),
        git_sha: said(GIT_SHA).unwrap_or("unknown").to_owned(),
        stage: service.stage.clone(),
        dependencies: BTreeMap::from([("table".to_owned(), table)]),
    });
    if table != HealthStatus::Ok {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// The same as `/health`.
#[utoipa::path(
    get, path = "/api/auth/health", operation_id = "auth_health", tag = "operations",
    responses((status = 200, body = Health), (status = 503, body = Health))
)]
async fn auth_health(service: State<Arc<Service>>) -> Response {
    health(service).await
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "The API as an OpenAPI 3.1 document."))
)]
async fn openapi() -> Response {
    document(StatusCode::OK, OPENAPI)
}

/// 405 for a path that exists with other methods, 404 for one that does not.
async fn nothing_here(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    let methods = methods_of(uri.path());
    if methods.is_empty() || methods.contains(method.as_str()) {
        return Problem::new(Code::NotFound).into_response();
    }
    let mut response = Problem::new(Code::MethodNotAllowed).into_response();
    let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// The methods that the document lists for a path.
fn methods_of(path: &str) -> BTreeSet<String> {
    static PATHS: LazyLock<Vec<(String, BTreeSet<String>)>> = LazyLock::new(|| {
        let document: Value = serde_json::from_str(OPENAPI).expect("the committed document parses");
        let paths = document["paths"].as_object().into_iter().flatten();
        paths
            .map(|(path, item)| {
                let methods = item.as_object().into_iter().flat_map(|item| item.keys());
                (path.clone(), methods.map(|method| method.to_uppercase()).collect())
            })
            .collect()
    });
    let fits = |template: &str| {
        let (mut asked, mut known) = (path.split('/'), template.split('/'));
        loop {
            match (asked.next(), known.next()) {
                (None, None) => return true,
                (Some(part), Some(name)) if part == name || name.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    PATHS.iter().filter(|(template, _)| fits(template)).flat_map(|(_, m)| m.clone()).collect()
}
