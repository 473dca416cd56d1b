//! The `socket-disconnect` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(socket_disconnect::function).await
}
