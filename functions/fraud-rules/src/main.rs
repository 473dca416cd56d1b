//! The `fraud-rules` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(fraud_rules::function).await
}
