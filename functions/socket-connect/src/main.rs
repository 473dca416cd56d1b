//! The `socket-connect` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(socket_connect::function).await
}
