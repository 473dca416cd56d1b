//! The `push` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(push::function).await
}
