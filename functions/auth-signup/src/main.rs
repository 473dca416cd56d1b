//! The `auth-signup` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(auth_signup::function).await
}
