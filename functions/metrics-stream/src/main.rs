//! The `metrics-stream` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(metrics_stream::function).await
}
