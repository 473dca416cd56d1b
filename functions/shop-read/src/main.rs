//! The `shop-read` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(shop_read::function).await
}
