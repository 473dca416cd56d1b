//! The `streak-read` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(streak_read::function).await
}
