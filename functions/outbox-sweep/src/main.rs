//! The `outbox-sweep` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(outbox_sweep::function).await
}
