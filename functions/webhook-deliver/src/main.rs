//! The `webhook-deliver` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(webhook_deliver::function).await
}
