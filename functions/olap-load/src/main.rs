//! The `olap-load` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(olap_load::function).await
}
