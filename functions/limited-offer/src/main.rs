//! The `limited-offer` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(limited_offer::function).await
}
