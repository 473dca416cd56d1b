//! What AWS asks for.

/// When these prices held. Where this was written the pages could not be fetched.
pub const AS_OF: &str = "2025-06";
/// Where they held. Seoul, where the stages of samconfig.toml are, asks more for
/// some of them.
pub const REGION: &str = "us-east-1";

/// The first tier, without the free one.
pub struct Price {
    pub what: &'static str,
    dollars: f64,
    per: f64,
    /// Under `https://aws.amazon.com/`.
    page: &'static str,
}

impl Price {
    const fn new(what: &'static str, dollars: f64, per: f64, page: &'static str) -> Self {
        Self { what, dollars, per, page }
    }

    /// Of this many.
    pub fn of(&self, count: f64) -> f64 {
        self.dollars * count / self.per
    }
}

const MILLION: f64 = 1e6;

pub const HTTP_CALL: Price = Price::new("HTTP API calls", 1.0, MILLION, "api-gateway/pricing");
pub const SOCKET_MESSAGE: Price =
    Price::new("WebSocket messages of up to 32 KB", 1.0, MILLION, "api-gateway/pricing");
pub const SOCKET_MINUTE: Price =
    Price::new("WebSocket connection minutes", 0.25, MILLION, "api-gateway/pricing");
pub const INVOCATION: Price = Price::new("Lambda invocations", 0.20, MILLION, "lambda/pricing");
pub const GB_SECOND: Price =
    Price::new("Lambda GB-seconds, arm64", 13.3334, MILLION, "lambda/pricing");
pub const TRACE: Price = Price::new("X-Ray traces recorded", 5.0, MILLION, "xray/pricing");
pub const READ_UNIT: Price =
    Price::new("DynamoDB read units, on demand", 0.125, MILLION, "dynamodb/pricing/on-demand");
pub const WRITE_UNIT: Price =
    Price::new("DynamoDB write units, on demand", 0.625, MILLION, "dynamodb/pricing/on-demand");
pub const TABLE_GB: Price = Price::new(
    "DynamoDB GB-months with point-in-time recovery",
    0.45,
    1.0,
    "dynamodb/pricing/on-demand",
);
pub const SHARD_HOUR: Price =
    Price::new("Kinesis shard-hours", 0.015, 1.0, "kinesis/data-streams/pricing");
pub const KEPT_SHARD_HOUR: Price = Price::new(
    "Kinesis shard-hours kept for more than a day",
    0.020,
    1.0,
    "kinesis/data-streams/pricing",
);
pub const PUT_UNIT: Price =
    Price::new("Kinesis PUT units of 25 KB", 0.014, MILLION, "kinesis/data-streams/pricing");
pub const FIFO_REQUEST: Price = Price::new("SQS FIFO requests", 0.50, MILLION, "sqs/pricing");
pub const LOG_GB: Price =
    Price::new("CloudWatch Logs GB taken in", 0.50, 1.0, "cloudwatch/pricing");
pub const METRIC: Price =
    Price::new("CloudWatch custom metrics a month", 0.30, 1.0, "cloudwatch/pricing");
pub const ALARM: Price =
    Price::new("CloudWatch alarm metrics a month", 0.10, 1.0, "cloudwatch/pricing");
pub const DASHBOARD: Price =
    Price::new("CloudWatch dashboards a month", 3.0, 1.0, "cloudwatch/pricing");
pub const SECRET: Price =
    Price::new("Secrets Manager secrets a month", 0.40, 1.0, "secrets-manager/pricing");
pub const KEY: Price = Price::new("KMS keys a month", 1.0, 1.0, "kms/pricing");
pub const OUT_GB: Price = Price::new("GB out to the internet", 0.09, 1.0, "ec2/pricing/on-demand");

const ALL: &[&Price] = &[
    &HTTP_CALL,
    &SOCKET_MESSAGE,
    &SOCKET_MINUTE,
    &INVOCATION,
    &GB_SECOND,
    &TRACE,
    &READ_UNIT,
    &WRITE_UNIT,
    &TABLE_GB,
    &SHARD_HOUR,
    &KEPT_SHARD_HOUR,
    &PUT_UNIT,
    &FIFO_REQUEST,
    &LOG_GB,
    &METRIC,
    &ALARM,
    &DASHBOARD,
    &SECRET,
    &KEY,
    &OUT_GB,
];

/// Every price, with its page.
pub fn print() {
    println!("\nPrices of {REGION} as of {AS_OF}, first tier, no free tier (not fetched anew):");
    for Price { what, dollars, per, page } in ALL {
        let per = if *per > 1.0 { "a million" } else { "each" };
        println!("  {dollars:>8.4} $ {per:<10} {what:<50} aws.amazon.com/{page}");
    }
}
