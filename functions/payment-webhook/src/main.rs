//! The `payment-webhook` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(payment_webhook::function).await
}
