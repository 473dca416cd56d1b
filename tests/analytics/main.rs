//! From a commit to rows and totals in ClickHouse, on the real engine.

mod bad_day;
mod first_day;
mod health;
mod loader;
mod poison;
mod segments;
mod telemetry;
