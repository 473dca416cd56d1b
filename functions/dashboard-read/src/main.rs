//! The `dashboard-read` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(dashboard_read::function).await
}
