//! The `socket-disconnect` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(socket_disconnect::function).await
}
