//! The `pending-cleanup` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(pending_cleanup::function).await
}
