//! The `telemetry-collect` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(telemetry_collect::function).await
}
