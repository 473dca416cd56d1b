//! The `auth-login` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(auth_login::function).await
}
