//! What no test can measure: what players do, and what the network adds.

/// A day of a player who shows up, by route.
pub const CALLS: &[(&str, f64)] = &[
    // One in twenty is new.
    ("POST /api/auth/signup", 0.05),
    ("POST /api/auth/login", 1.0),
    ("GET /api/dashboard", 4.0),
    ("GET /api/users/me", 4.0),
    ("GET /api/users/stats", 1.0),
    ("GET /api/streak/status", 2.0),
    ("POST /api/streak/claim", 1.0),
    ("GET /api/shop/catalog", 2.0),
    ("POST /api/shop/buy", 0.5),
    ("POST /api/games/slot/spin", 60.0),
    ("GET /api/games/fairness", 0.2),
    ("POST /api/realtime/ticket", 2.0),
];
/// Sockets opened and closed, pings, and minutes with a socket open, in that day.
pub const SOCKETS: f64 = 2.0;
pub const PINGS: f64 = 60.0;
pub const SOCKET_MINUTES: f64 = 30.0;
/// Days of a month.
pub const DAYS: f64 = 30.0;

/// Milliseconds that a function waits for one call of another service, besides its
/// own CPU time.
pub const ROUND_TRIP_MS: f64 = 5.0;
/// Memory at which Lambda gives a whole CPU; with less, a share of it.
pub const WHOLE_CPU_MB: f64 = 1769.0;
/// Share of invocations that find no running function.
pub const COLD_SHARE: f64 = 0.01;
/// Lambda traces one request a second and this share of the others.
pub const TRACED_SHARE: f64 = 0.05;
/// Kilobytes of log lines of one call: access log, request, metric, platform.
pub const LOG_KB_HTTP: f64 = 2.0;
/// Of one invocation by a trigger or a socket.
pub const LOG_KB_OTHER: f64 = 1.0;
/// Of an answer or a frame, with headers.
pub const ANSWER_KB: f64 = 1.5;
/// Entries that ClickHouse is given at once. Nothing else is taken to be batched,
/// which is the most that everything else can cost.
pub const LOADED_TOGETHER: f64 = 10.0;
/// What one journal entry and its idempotency pointer take of the table.
pub const ENTRY_KB: f64 = 1.2;

pub fn print() {
    println!("A player's day, as assumed:");
    for (route, times) in CALLS {
        println!("  {times:>6.2} × {route}");
    }
    println!("  {SOCKETS:>6.2} × a socket opened and closed");
    println!("  {PINGS:>6.2} × a ping");
    println!("  {SOCKET_MINUTES:>6.2} × a minute with a socket open");
    println!(
        "\nAlso assumed: {ROUND_TRIP_MS} ms for each call of another service; CPU time × \
         {WHOLE_CPU_MB} / memory below {WHOLE_CPU_MB} MB; {} % cold starts; {} % traced;\n\
         {LOG_KB_HTTP} KB of logs a call, {LOG_KB_OTHER} KB of any other invocation; \
         {ANSWER_KB} KB an answer or frame; {LOADED_TOGETHER} entries loaded into ClickHouse \
         together,\nnothing else batched. ClickHouse itself, players' own retries and support \
         are not in it.",
        COLD_SHARE * 100.0,
        TRACED_SHARE * 100.0,
    );
}
