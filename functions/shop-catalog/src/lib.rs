//! `GET /api/shop/catalog`: what the shop sells.

use axum::response::Response;
use contract::{
    openapi::PublicReadProblems,
    shop::{Catalog, CatalogItem},
};
use domain::catalog::CATALOG;
use runtime::{
    Deps, Function, Problem,
    http::{IfNoneMatch, Meta, app, ok_if_changed},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// None: all it knows is compiled in.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    Ok(Function::http(app(router(), &deps)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(catalog)).routes(routes!(items))
}

/// Everything for sale, in the reader's language.
#[utoipa::path(
    get, path = "/api/shop/catalog", operation_id = "shop_catalog", tag = "shop",
    responses(
        (status = 200, body = Catalog),
        (status = 304, description = "As the given `If-None-Match`."),
        PublicReadProblems
    )
)]
async fn catalog(meta: Meta, if_none_match: IfNoneMatch) -> Result<Response, Problem> {
    let items = CATALOG.iter().map(|product| CatalogItem::of(product, meta.language)).collect();
    Ok(ok_if_changed(&Catalog { items }, &if_none_match, "public, max-age=60"))
}

/// The same as `/api/shop/catalog`.
#[utoipa::path(
    get, path = "/api/shop/items", operation_id = "shop_items", tag = "shop",
    responses(
        (status = 200, body = Catalog),
        (status = 304, description = "As the given `If-None-Match`."),
        PublicReadProblems
    )
)]
async fn items(meta: Meta, if_none_match: IfNoneMatch) -> Result<Response, Problem> {
    catalog(meta, if_none_match).await
}
