//! The `shop-catalog` Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(shop_catalog::function).await
}
