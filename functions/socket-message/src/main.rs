//! The `socket-message` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(socket_message::function).await
}
