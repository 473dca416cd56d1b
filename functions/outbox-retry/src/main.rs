//! The `outbox-retry` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(outbox_retry::function).await
}
