//! The `auth-logout-all` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(auth_logout_all::function).await
}
