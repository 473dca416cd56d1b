//! The `streak-repair` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(streak_repair::function).await
}
