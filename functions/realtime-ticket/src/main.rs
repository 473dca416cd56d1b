//! The `realtime-ticket` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(realtime_ticket::function).await
}
