//! The floor for functions that call nothing: hello-world on axum and
//! `lambda_http`.

use axum::{Router, routing::get};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::run(Router::new().fallback(get(async || "hello"))).await
}
