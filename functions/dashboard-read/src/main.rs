//! The `dashboard-read` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(dashboard_read::function).await
}
