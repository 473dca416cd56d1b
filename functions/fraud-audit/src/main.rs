//! The `fraud-audit` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(fraud_audit::function).await
}
