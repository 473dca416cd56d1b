//! Every function crate by name. The template says which of them exist; a name
//! that it uses and this list lacks stops the stack.

use runtime::{Deps, Error, Function};

/// Builds one function.
pub type Build = fn(Deps) -> Result<Function, Error>;

/// The crates that are compiled in.
pub const FUNCTIONS: &[(&str, Build)] = &[
    ("account-read", account_read::function),
    ("auth-login", auth_login::function),
    ("auth-signup", auth_signup::function),
    ("dashboard-read", dashboard_read::function),
    ("fairness", fairness::function),
    ("health", health::function),
    ("olap-load", olap_load::function),
    ("outbox", outbox::function),
    ("projections", projections::function),
    ("push", push::function),
    ("realtime-ticket", realtime_ticket::function),
    ("shop-buy", shop_buy::function),
    ("shop-catalog", shop_catalog::function),
    ("slot-spin", slot_spin::function),
    ("socket-connect", socket_connect::function),
    ("socket-disconnect", socket_disconnect::function),
    ("socket-message", socket_message::function),
    ("streak-claim", streak_claim::function),
    ("streak-read", streak_read::function),
    ("streak-repair", streak_repair::function),
    ("auth-refresh", auth_refresh::function),
    ("auth-logout", auth_logout::function),
    ("auth-logout-all", auth_logout_all::function),
    ("auth-password", auth_password::function),
    ("account-rename", account_rename::function),
    ("account-erase", account_erase::function),
    ("account-export", account_export::function),
    ("invite-issue", invite_issue::function),
    ("dev-reset", dev_reset::function),
    ("limited-buy", limited_buy::function),
    ("shop-read", shop_read::function),
    ("payment-settle", payment_settle::function),
    ("payment-webhook", payment_webhook::function),
    ("outbox-sweep", outbox_sweep::function),
    ("pending-cleanup", pending_cleanup::function),
    ("limited-offer", limited_offer::function),
    ("fraud-audit", fraud_audit::function),
    ("fraud-rules", fraud_rules::function),
    ("account-email", account_email::function),
    ("mail-send", mail_send::function),
    ("webhook-admin", webhook_admin::function),
    ("webhook-fanout", webhook_fanout::function),
    ("webhook-deliver", webhook_deliver::function),
    ("olap-health", olap_health::function),
    ("outbox-retry", outbox_retry::function),
    ("dead-letters", dead_letters::function),
    ("player-segments", player_segments::function),
    ("metrics-read", metrics_read::function),
    ("metrics-stream", metrics_stream::function),
    ("telemetry-collect", telemetry_collect::function),
    ("telemetry-load", telemetry_load::function),
    // (cargo xtask new-endpoint adds functions above)
];

/// The routes of every HTTP function as one OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = contract::openapi::base(env!("CARGO_PKG_VERSION"));
    for part in [
        account_read::router().into_openapi(),
        auth_login::router().into_openapi(),
        auth_signup::router().into_openapi(),
        dashboard_read::router().into_openapi(),
        fairness::router().into_openapi(),
        health::router().into_openapi(),
        realtime_ticket::router().into_openapi(),
        shop_buy::router().into_openapi(),
        shop_catalog::router().into_openapi(),
        slot_spin::router().into_openapi(),
        streak_claim::router().into_openapi(),
        streak_read::router().into_openapi(),
        auth_refresh::router().into_openapi(),
        auth_logout::router().into_openapi(),
        auth_logout_all::router().into_openapi(),
        auth_password::router().into_openapi(),
        account_rename::router().into_openapi(),
        account_erase::router().into_openapi(),
        account_export::router().into_openapi(),
        invite_issue::router().into_openapi(),
        dev_reset::router().into_openapi(),
        limited_buy::router().into_openapi(),
        shop_read::router().into_openapi(),
        payment_settle::router().into_openapi(),
        payment_webhook::router().into_openapi(),
        limited_offer::router().into_openapi(),
        fraud_audit::router().into_openapi(),
        fraud_rules::router().into_openapi(),
        account_email::router().into_openapi(),
        webhook_admin::router().into_openapi(),
        olap_health::router().into_openapi(),
        dead_letters::router().into_openapi(),
        metrics_read::router().into_openapi(),
        telemetry_collect::router().into_openapi(),
        // (cargo xtask new-endpoint adds routers above)
    ] {
        document.merge(part);
    }
    document
}
