//! The `shop-catalog` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(shop_catalog::function).await
}
