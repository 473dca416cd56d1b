//! How large the functions are that somebody waits for.

use std::fs;

use anyhow::{Context as _, Result};
use tests::stack;

use crate::support::bootstraps;

/// A floor's size times this, at most.
const ALLOWED: f64 = 1.3;

/// Larger, and known to be: what it needs of jiff, utoipa, structured logs and
/// metrics weighs against a floor of 3 MB, and so do the exception tables of the
/// AWS clients, which it links none of, but which the linker (lld) keeps. And those that
/// talk to a payment provider: they carry both providers, of which a setting chooses, and
/// an HTTP client of their own beside AWS's. And those that put something into a queue or
/// a stream, whose clients they have beside DynamoDB's. And the two that have the most
/// to read and to say.
const LARGER: [&str; 7] = [
    "dead-letters",
    "fraud-rules",
    "limited-buy",
    "payment-settle",
    "shop-buy",
    "shop-catalog",
    "webhook-admin",
];

/// One that is listed may be this little below what is allowed, before it has to go off
/// the list: some bytes come and go with the tools.
const NEARLY: f64 = 0.99 * ALLOWED;

fn bytes(name: &str) -> Result<f64> {
    let path = bootstraps().join(name).join("bootstrap");
    let length = fs::metadata(&path)
        .with_context(|| format!("{}: `cargo xtask build` builds it", path.display()))?
        .len();
    Ok(f64::from(u32::try_from(length)?))
}

#[tokio::test]
async fn no_function_behind_an_api_is_much_larger_than_its_floor() -> Result<()> {
    let stack = stack().await;
    let spec = stack.spec();
    let http = spec.http_routes.iter().map(|route| &route.function);
    let sockets = spec.socket_routes.iter().map(|route| &route.function);
    let streams = spec.stream_routes.iter().map(|route| &route.function);
    let behind: Vec<_> = http.chain(sockets).chain(streams).collect();
    for (id, function) in &spec.functions {
        if !behind.contains(&id) {
            continue;
        }
        // One that may call nothing has no AWS client to carry.
        let floor = if function.policy.is_empty() { "floor-hello" } else { "floor-get-item" };
        let times = bytes(&function.crate_name)? / bytes(floor)?;
        let known = LARGER.contains(&function.crate_name.as_str());
        let fits = if known { times > NEARLY } else { times <= ALLOWED };
        assert!(fits, "{id} is {times:.3} times {floor}; listed as larger: {known}");
    }
    Ok(())
}
