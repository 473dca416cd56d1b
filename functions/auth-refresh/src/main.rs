//! The `auth-refresh` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(auth_refresh::function).await
}
