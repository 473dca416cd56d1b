//! The `realtime-ticket` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(realtime_ticket::function).await
}
