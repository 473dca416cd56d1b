//! The real functions, built on the simulated world, and the events that AWS
//! would call them with.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodb::config::{
    Credentials, SharedAsyncSleep, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use devstack::{functions::FUNCTIONS, parameters, seed::Seeding, spec::Spec, template};
use jiff::Timestamp;
use runtime::{Clock, Deps, Entropy, Function, auth::Hasher, payments::WebhookKeys};
use serde_json::{Value, json};
use store::Store;
use tests::unlimited_logins;

use crate::{
    clickhouse::Link,
    clients::Known,
    provider,
    wire::{Timers, Wire},
    world::{Shared, World},
};

/// What the run has to do with. The others touch neither table nor journal.
const USED: [&str; 27] = [
    "account-erase",
    "account-read",
    "account-rename",
    "auth-login",
    "auth-logout",
    "auth-logout-all",
    "auth-password",
    "auth-refresh",
    "auth-signup",
    "dashboard-read",
    "dev-reset",
    "fairness",
    "invite-issue",
    "olap-load",
    "outbox",
    "payment-settle",
    "payment-webhook",
    "projections",
    "push",
    "realtime-ticket",
    "shop-buy",
    "slot-spin",
    "socket-connect",
    "socket-disconnect",
    "socket-message",
    "streak-claim",
    "streak-read",
];

/// With those that a schedule invokes.
const SCHEDULED: [&str; 3] = ["outbox-sweep", "pending-cleanup", "streak-repair"];

/// The SDKs keep what is left of their retries by service and region, for the whole
/// process: every run has a region of its own.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// The template, read once.
pub static SPEC: LazyLock<Spec> = LazyLock::new(|| {
    let mut given = parameters::of_dev_stage().expect("samconfig.toml");
    // All clients share an address.
    given.extend(unlimited_logins());
    given.insert("SocketUrl".to_owned(), "ws://sim/realtime".to_owned());
    given.insert("SocketEndpoint".to_owned(), "http://sim/realtime".to_owned());
    let path = parameters::root().join("template.yaml");
    template::load(&path, &given, &template::Pseudo::default()).expect("template.yaml")
});

/// A built function.
#[derive(Clone)]
pub struct Hosted {
    pub function: Function,
    pub timeout: Duration,
}

/// The functions, and what must be awaited before the first event.
pub fn build(world: &Shared) -> (BTreeMap<&'static str, Hosted>, Vec<(&'static str, Deps)>) {
    let config = config(world);
    let mut functions = BTreeMap::new();
    let mut starting = Vec::new();
    for declared in SPEC.functions.values() {
        let Some((name, build)) = FUNCTIONS
            .iter()
            .find(|(name, _)| *name == declared.crate_name)
            .filter(|(name, _)| USED.contains(name) || SCHEDULED.contains(name))
        else {
            continue;
        };
        let deps = Deps::new(
            declared.env.clone().into_iter().collect(),
            clock(world, name),
            entropy(world),
        )
        .with_aws(config.clone())
        // The cost of a password is no part of what is looked for.
        .with_hasher(Hasher::LEAST)
        .with_clickhouse(Link::port(world))
        .with_payments(provider::Link::port(world));
        let function = build(deps.clone()).expect("the template's environment is complete");
        functions.insert(*name, Hosted { function, timeout: declared.timeout });
        starting.push((*name, deps));
    }
    (functions, starting)
}

/// Creates an admin and a player as the local stack does, and says who they are.
pub async fn seed(world: Shared, sown: Arc<OnceLock<[Known; 2]>>) -> Result<Value, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut seeding = Seeding::asked_for(Some("1"), "dev").map_err(|error| text(&error))?;
    seeding.accounts.retain(|account| ["admin", "user001"].contains(&account.site_id.as_str()));
    seeding.hasher = Hasher::LEAST;
    let table = SPEC.tables.first().expect("the template declares the table");
    let store = Store::new(&config(&world), &table.name);
    let (clock, entropy) = (clock(&world, "seed"), entropy(&world));
    seeding.sow(&store, &clock, &entropy).await.map_err(|error| text(&error))?;
    let mut known = Vec::new();
    for account in seeding.accounts {
        let login = store.login(&account.site_id).await.map_err(|error| text(&error))?;
        let player = login.ok_or("was not created")?.player;
        known.push(Known {
            id: player.id.to_string(),
            sessions: player.sessions.iter().map(|session| session.id.uuid()).collect(),
            site_id: account.site_id,
            nickname: account.nickname,
            password: account.password,
            role: account.role,
            ..Known::default()
        });
    }
    let known = known.try_into().map_err(|_| "not two accounts")?;
    sown.set(known).map_err(|_| "seeded twice")?;
    Ok(Value::Null)
}

fn config(world: &Shared) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "simulation");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(format!("sim-{}", RUNS.fetch_add(1, Ordering::Relaxed))))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Wire(world.clone()))
        .sleep_impl(SharedAsyncSleep::new(Timers(world.clone())))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(25)))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

fn clock(world: &Shared, function: &'static str) -> Clock {
    let world = world.clone();
    Clock::new(move || world.lock().clock(function))
}

fn entropy(world: &Shared) -> Entropy {
    let world = world.clone();
    Entropy::new(move |bytes| world.lock().entropy.fill(bytes))
}

/// Every secret that a function of the template asks for.
pub fn put_secrets(world: &mut World) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let mut secret = [0; 32];
    world.entropy.fill(&mut secret);
    let keys = json!({ "active": "sim", "keys": [
        { "kid": "sim", "alg": "HS256", "secret": BASE64_STANDARD.encode(secret) }
    ]})
    .to_string();
    let master = BASE64_STANDARD.encode(world.master_key);
    let mut secret = [0; 32];
    world.entropy.fill(&mut secret);
    let notices = json!({ "active": "sim", "keys": [
        { "kid": "sim", "secret": BASE64_STANDARD.encode(secret) }
    ]})
    .to_string();
    world.provider.keys = Some(WebhookKeys::from_json(&notices).expect("usable keys"));
    for function in SPEC.functions.values() {
        for (_, name) in function.env.iter().filter(|(name, _)| name.ends_with("_SECRET")) {
            let value = match name.rsplit('/').next().unwrap_or_default() {
                "jwt-keys" => keys.clone(),
                "fairness-master-key" | "webhook-master-key" => master.clone(),
                "payment-webhook-keys" => notices.clone(),
                "payment-provider" => json!({ "api_key": "sim" }).to_string(),
                "clickhouse" => json!({ "username": "sim", "password": "sim" }).to_string(),
                _ => continue,
            };
            world.secrets.insert(name.clone(), value);
        }
    }
    keys
}

/// Fraud rules that nothing breaks: who buys how much is the clients' whim.
pub fn put_fraud_rules(world: &World) {
    let document = json!({ "format": 1, "thresholds": {}, "rules": [] }).to_string();
    let request = json!({ "TableName": world.table, "Item": {
        "pk": { "S": "FRAUD#RULES" }, "sk": { "S": "IN-FORCE" },
        "entity": { "S": "fraud_rules" }, "schema": { "N": "1" },
        "version": { "N": "1" }, "document": { "S": document },
    }});
    let request = serde_json::from_value(request).expect("a put");
    world.database.put_item(request).expect("the rules are put");
}

/// A request as the HTTP API hands it on.
pub fn http_event(
    method: &str,
    path: &str,
    headers: &BTreeMap<&str, String>,
    body: Option<&str>,
    request_id: &str,
    now: Timestamp,
) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": format!("{method} {path}"),
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "sim",
            "domainName": "sim",
            "domainPrefix": "sim",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "sim",
            },
            "requestId": request_id,
            "routeKey": format!("{method} {path}"),
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if let Some(body) = body {
        event["body"] = body.into();
    }
    event
}

/// An event of the WebSocket API.
pub fn socket_event(route: &str, kind: &str, socket: &str, now: Timestamp) -> Value {
    json!({
        "headers": { "Host": "sim" },
        "multiValueHeaders": { "Host": ["sim"] },
        "requestContext": {
            "routeKey": route,
            "eventType": kind,
            "extendedRequestId": "r",
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "messageDirection": "IN",
            "stage": "realtime",
            "connectedAt": now.as_millisecond(),
            "requestTimeEpoch": now.as_millisecond(),
            "identity": { "sourceIp": "192.0.2.1" },
            "requestId": "r",
            "domainName": "sim",
            "connectionId": socket,
            "apiId": "sim",
        },
        "isBase64Encoded": false,
    })
}

/// A function's name as the list of functions has it.
pub fn name_of(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().map(|(known, _)| *known).find(|known| *known == name)
}
