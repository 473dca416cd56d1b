//! The `shop-buy` Lambda function.

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::run(shop_buy::function).await
}
