//! The `streak-claim` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(streak_claim::function).await
}
