//! The `slot-spin` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(slot_spin::function).await
}
