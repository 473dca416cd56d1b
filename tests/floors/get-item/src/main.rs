//! The floor for functions that touch the table: hello-world on axum and
//! `lambda_http` that makes one `GetItem`, as the SDK's guide writes it.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use axum::{Router, extract::State, http::StatusCode, routing::get};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let client = Client::new(&aws_config::load_from_env().await);
    lambda_http::run(Router::new().fallback(get(hello)).with_state(client)).await
}

async fn hello(State(client): State<Client>) -> Result<&'static str, (StatusCode, String)> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    #[expect(clippy::disallowed_methods, reason = "as small as a function can be")]
    let table = std::env::var("TABLE_NAME").unwrap_or_default();
    let read = client
        .get_item()
        .table_name(table)
        .key("pk", text("FLOOR"))
        .key("sk", text("FLOOR"))
        .send();
    match read.await {
        Ok(_) => Ok("hello"),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}"))),
    }
}
