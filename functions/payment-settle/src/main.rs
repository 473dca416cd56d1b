//! The `payment-settle` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(payment_settle::function).await
}
