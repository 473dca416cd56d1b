//! A ClickHouse of the test's own, with the product's schema.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use devstack::{
    clickhouse::{Account, Loading, Python, Server, ensure_installed, migrate, rebuild, spawn},
    functions::Build,
    parameters::root,
};
use domain::{Entry, Envelope, PlayerId, envelope};
use jiff::Timestamp;
use runtime::{Clock, Deps, Entropy, Function};
use serde::Deserialize;
use serde_json::{Value, json};

/// A server that can go away and come back at the same address.
pub struct ClickHouse {
    pub url: String,
    port: u16,
    data: Option<PathBuf>,
    python: Python,
    server: Option<Server>,
    http: reqwest::Client,
}

impl ClickHouse {
    /// The database the product's functions are told of.
    pub const DATABASE: &str = "casino_club";

    /// Starts a server, installing the engine first if need be. Without a
    /// directory its data is gone when it is.
    ///
    /// # Errors
    /// It cannot be installed or started, or refuses the schema.
    pub async fn start(data: Option<&Path>) -> Result<Self> {
        let python = ensure_installed(&root().join(".local"), |line| eprintln!("{line}")).await?;
        let port = port_of_its_own()?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        let mut new = Self {
            url: format!("http://127.0.0.1:{port}"),
            port,
            data: data.map(Path::to_path_buf),
            python,
            server: None,
            http: http.build()?,
        };
        new.resume().await?;
        Ok(new)
    }

    /// `olap-load` by itself, loading into this server.
    ///
    /// # Errors
    /// It refuses its configuration.
    pub fn loader(&self) -> Result<Function> {
        self.function(olap_load::function)
    }

    /// `telemetry-load` by itself, loading into this server.
    ///
    /// # Errors
    /// It refuses its configuration.
    pub fn telemetry_loader(&self) -> Result<Function> {
        self.function(telemetry_load::function)
    }

    fn function(&self, build: Build) -> Result<Function> {
        let env = [
            ("CLICKHOUSE_URL", self.url.as_str()),
            ("CLICKHOUSE_DATABASE", Self::DATABASE),
            ("CLICKHOUSE_SECRET", "clickhouse"),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let deps = Deps::new(env.collect(), Clock::system(), Entropy::system())
            .with_secrets([("clickhouse", r#"{"username":"default","password":""}"#)]);
        build(deps).map_err(|error| anyhow::anyhow!(error))
    }

    /// Starts the server again, where it was.
    ///
    /// # Errors
    /// It does not come up, or refuses the schema.
    pub async fn resume(&mut self) -> Result<()> {
        self.server = Some(spawn(&self.python, self.data.as_deref(), self.port).await?);
        self.apply_schema().await.map(drop)
    }

    /// Applies the schema, as every start of the product does; what it did not have.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn apply_schema(&self) -> Result<Vec<String>> {
        migrate(&self.url, &Self::account(), Loading::Paused).await
    }

    fn account() -> Account {
        Account { user: "default".into(), password: String::new(), database: Self::DATABASE.into() }
    }

    /// Stops the server in an orderly way.
    ///
    /// # Errors
    /// It is not running, or does not stop.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.take().context("the server is not running")?.stop().await
    }

    /// Kills the server as a crash would.
    ///
    /// # Errors
    /// It is not running, or cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.server.take().context("the server is not running")?.kill().await
    }

    /// What a statement answers, as text.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the statement.
    pub async fn sql(&self, sql: &str) -> Result<String> {
        let url = format!("{}/?database={}", self.url, Self::DATABASE);
        let answer = self.http.post(url).body(sql.to_owned()).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status} {text}");
        Ok(text.trim().to_owned())
    }

    /// Asserts that table and views hold exactly these journal entries.
    ///
    /// # Errors
    /// The server cannot be asked.
    ///
    /// # Panics
    /// When they hold anything else.
    pub async fn holds_entries(&self, entries: impl Iterator<Item = &Entry>) -> Result<()> {
        let events = entries.map(|entry| serde_json::to_value(envelope(entry)));
        self.holds(&events.collect::<Result<Vec<_>, _>>()?).await
    }

    /// Asserts that table and views hold exactly these events (envelopes), each
    /// once, by plain counts and sums.
    ///
    /// # Errors
    /// The server cannot be asked.
    ///
    /// # Panics
    /// When they hold anything else.
    pub async fn holds(&self, events: &[Value]) -> Result<()> {
        let events = events.iter().map(|event| Ok(serde_json::from_value(event.clone())?));
        let events = events.collect::<Result<Vec<Envelope>>>()?;
        self.has_rows(&events).await?;
        self.has_parity(&events).await?;
        self.has_totals(&events).await?;
        let unmarked = "SELECT uniqExact(load_token) FROM events_log \
                        WHERE load_token NOT IN (SELECT load_token FROM events_loaded)";
        assert_eq!(self.sql(unmarked).await?, "0", "loads that are not known to be complete");
        Ok(())
    }

    /// Whether a view lacks what the table has, by the audit.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn views_fell_short(&self) -> Result<bool> {
        let short = "SELECT events_in_actions_hourly < events \
                     OR rounds_in_player_results < rounds \
                     OR purchases_in_shop_revenue < purchases \
                     OR active_player_days_in_view < active_player_days \
                     OR payments_in_money_revenue < payments \
                     OR firsts_in_player_firsts < firsts FROM events_parity";
        Ok(self.sql(short).await? == "1")
    }

    /// Makes every view anew from the table, as an operator may.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn rebuild_views(&self) -> Result<()> {
        let views = "SELECT name FROM system.tables \
                     WHERE database = currentDatabase() AND engine = 'MaterializedView'";
        for view in self.sql(views).await?.lines() {
            let target = view.strip_suffix("_mv").context("a view by its target")?;
            rebuild(&self.url, &Self::account(), target).await?;
        }
        Ok(())
    }

    async fn has_rows(&self, events: &[Envelope]) -> Result<()> {
        // Without FINAL: the table itself is exact, not only what it merges to.
        let sql = "SELECT event_type, toString(user_id) AS user_id, \
                   toUnixTimestamp64Milli(ts) AS ts_ms, trace_id, idempotency_key, version, seq, \
                   payload FROM events_log FORMAT JSONEachRow";
        let mut found: Vec<Row> = self
            .sql(sql)
            .await?
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect::<Result<_>>()?;
        let mut expected: Vec<Row> = events.iter().map(Row::of).collect();
        for rows in [&mut found, &mut expected] {
            rows.sort_by(|a, b| (&a.user_id, a.seq).cmp(&(&b.user_id, b.seq)));
        }
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
        Ok(())
    }

    async fn has_parity(&self, events: &[Envelope]) -> Result<()> {
        let count = |kind: &str| events.iter().filter(|event| event.event_type == kind).count();
        let (rounds, purchases) = (count("game.round.settled"), count("shop.purchase.succeeded"));
        let days: BTreeSet<_> =
            events.iter().map(|event| (runtime::utc_day(event.ts), event.user_id)).collect();
        let payments = events.iter().filter(|event| is_payment(event)).count();
        let firsts = firsts(events).values().flatten().flatten().count();
        let parity = self.sql("SELECT * FROM events_parity FORMAT JSONEachRow").await?;
        assert_eq!(
            serde_json::from_str::<Value>(&parity)?,
            json!({
                "events": events.len(), "distinct_events": events.len(),
                "events_in_actions_hourly": events.len(),
                "rounds": rounds, "rounds_in_player_results": rounds,
                "purchases": purchases, "purchases_in_shop_revenue": purchases,
                "active_player_days": days.len(), "active_player_days_in_view": days.len(),
                "payments": payments, "payments_in_money_revenue": payments,
                "firsts": firsts, "firsts_in_player_firsts": firsts,
            })
        );
        Ok(())
    }

    async fn has_totals(&self, events: &[Envelope]) -> Result<()> {
        let gold = |event: &Envelope, field: &str| event.payload[field].as_i64().unwrap_or(0);
        let mut results = BTreeMap::new();
        let mut burned = BTreeMap::new();
        let mut actions = BTreeMap::new();
        for event in events {
            *actions.entry(event.event_type.as_str()).or_insert(0_u64) += 1;
            if event.event_type == "game.round.settled" {
                let (bet, win) = (gold(event, "bet_gold"), gold(event, "win_gold"));
                let of = results.entry(event.user_id.to_string()).or_insert((0, 0, 0, 0));
                let won = i64::from(win >= bet);
                *of = (of.0 + won, of.1 + 1 - won, of.2 + bet, of.3 + win);
            }
            if event.event_type == "shop.purchase.succeeded" {
                let product = event.payload["product_id"].as_str().unwrap_or_default();
                let of = burned.entry(product).or_insert((0, 0));
                *of = (of.0 + gold(event, "quantity"), of.1 + gold(event, "price_gold"));
            }
        }
        let lines = |lines: Vec<String>| lines.join("\n");
        assert_eq!(
            self.sql("SELECT event_type, sum(actions) FROM actions_hourly GROUP BY 1 ORDER BY 1")
                .await?,
            lines(actions.iter().map(|(kind, count)| format!("{kind}\t{count}")).collect())
        );
        assert_eq!(
            self.sql(
                "SELECT toString(user_id) AS player, sum(wins), sum(losses), sum(bet_gold), \
                 sum(win_gold) FROM player_results_daily GROUP BY 1 ORDER BY 1"
            )
            .await?,
            lines(
                results
                    .iter()
                    .map(|(player, (wins, losses, bet, won))| {
                        format!("{player}\t{wins}\t{losses}\t{bet}\t{won}")
                    })
                    .collect()
            )
        );
        assert_eq!(
            self.sql(
                "SELECT product_id, sum(quantity), sum(burned_gold) FROM shop_revenue_daily \
                 GROUP BY 1 ORDER BY 1"
            )
            .await?,
            lines(burned.iter().map(|(of, (n, gold))| format!("{of}\t{n}\t{gold}")).collect())
        );
        self.has_revenue(events).await?;
        self.has_funnel(events).await
    }

    async fn has_revenue(&self, events: &[Envelope]) -> Result<()> {
        let mut money: BTreeMap<_, (i64, i64)> = BTreeMap::new();
        for event in events.iter().filter(|event| is_payment(event)) {
            let text = |field: &str| event.payload[field].as_str().unwrap_or_default();
            let amount = event.payload["amount_minor"].as_i64().unwrap_or_default();
            let day = runtime::utc_day(event.ts);
            let of = money.entry((day, text("product_id"), text("currency"))).or_default();
            let refunded = event.event_type == "shop.purchase.refunded";
            *(if refunded { &mut of.1 } else { &mut of.0 }) += amount;
        }
        let of = |((day, product, currency), (taken, returned)): (_, (i64, i64))| {
            format!("{day}\t{product}\t{currency}\t{taken}\t{returned}")
        };
        assert_eq!(
            self.sql(
                "SELECT day, product_id, currency, sum(amount_minor), sum(refunded_minor) \
                 FROM money_revenue_daily GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            )
            .await?,
            money.into_iter().map(of).collect::<Vec<_>>().join("\n")
        );
        Ok(())
    }

    async fn has_funnel(&self, events: &[Envelope]) -> Result<()> {
        let mut days: BTreeMap<_, [u64; 5]> = BTreeMap::new();
        for firsts in firsts(events).values() {
            let Some(signed_up) = firsts[0] else { continue };
            let counts = days.entry(runtime::utc_day(signed_up)).or_default();
            for (count, first) in counts.iter_mut().zip(firsts) {
                *count += u64::from(first.is_some());
            }
        }
        let of = |(day, counts): (_, [u64; 5])| {
            format!("{day}\t{}", counts.map(|count| count.to_string()).join("\t"))
        };
        assert_eq!(
            self.sql("SELECT * FROM funnel_daily ORDER BY day").await?,
            days.into_iter().map(of).collect::<Vec<_>>().join("\n")
        );
        Ok(())
    }
}

/// Whether money was taken or given back.
fn is_payment(event: &Envelope) -> bool {
    matches!(event.event_type.as_str(), "shop.purchase.succeeded" | "shop.purchase.refunded")
        && event.payload["amount_minor"].is_i64()
}

/// When each player first signed up, claimed, played, bought, and paid with money.
fn firsts(events: &[Envelope]) -> BTreeMap<PlayerId, [Option<Timestamp>; 5]> {
    let mut all: BTreeMap<_, [Option<Timestamp>; 5]> = BTreeMap::new();
    for event in events {
        let steps: &[usize] = match event.event_type.as_str() {
            "user.signup" => &[0],
            "streak.claim" => &[1],
            "game.round.settled" => &[2],
            "shop.purchase.succeeded" if is_payment(event) => &[3, 4],
            "shop.purchase.succeeded" => &[3],
            _ => continue,
        };
        let firsts = all.entry(event.user_id).or_default();
        for &step in steps {
            firsts[step] = Some(firsts[step].map_or(event.ts, |first| first.min(event.ts)));
        }
    }
    all
}

/// A row of `events_log`.
#[derive(Debug, PartialEq, Deserialize)]
struct Row {
    event_type: String,
    user_id: String,
    ts_ms: i64,
    trace_id: String,
    idempotency_key: Option<String>,
    version: u8,
    seq: u64,
    #[serde(deserialize_with = "json_text")]
    payload: Value,
}

impl Row {
    fn of(event: &Envelope) -> Self {
        Self {
            event_type: event.event_type.clone(),
            user_id: event.user_id.to_string(),
            ts_ms: event.ts.as_millisecond(),
            trace_id: event.trace_id.clone(),
            idempotency_key: event.idempotency_key.clone(),
            version: event.version,
            seq: event.seq,
            payload: event.payload.clone(),
        }
    }
}

fn json_text<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Value, D::Error> {
    let text = String::deserialize(text)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}

/// A free port below those the system gives out by itself, so that nobody gets
/// it while the server is away.
fn port_of_its_own() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 600)? * 20;
    for _ in 0..200 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port between 20000 and 32000")
}
