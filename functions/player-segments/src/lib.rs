//! Every night: who each player is to the shop, by what the event store holds of the last
//! ninety days, and what is recommended to them.
//!
//! By the day that it is: a run that comes twice says the same, and one that is late
//! does not undo a later one. Where no event store is, there is nothing to do.

use clickhouse::Row;
use domain::{
    PlayerId,
    event_type::{ERASED, PURCHASE_REFUNDED, PURCHASE_SUCCEEDED, SIGNUP},
    segment::{ACTIONS, FREQUENCY_DAYS, Figures, NEW_DAYS, WINDOW_DAYS},
};
use futures::{StreamExt, stream};
use jiff::{Timestamp, ToSpan, civil::Date};
use runtime::{Clock, Deps, Function, chain, clickhouse::EventStore, utc_day};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Segmented, Store};
use uuid::Uuid;

/// Players are asked for in so many parts, so that none is too large to hold.
const PARTS: u8 = 16;

/// Players written at once.
const CONCURRENCY: usize = 16;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `SEGMENT_CURRENCY` is not set, or of `CLICKHOUSE_URL`,
/// `CLICKHOUSE_DATABASE` and `CLICKHOUSE_SECRET` only the first.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let event_store = EventStore::if_any(&deps)?;
    let segments = Segments {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        currency: deps.env.require("SEGMENT_CURRENCY")?.to_owned(),
        clock: deps.clock,
        event_store,
    };
    Ok(Function::trigger(move |_event: Value, _context| {
        let segments = segments.clone();
        async move { segments.run().await }
    }))
}

#[derive(Clone)]
struct Segments {
    store: Store,
    /// The one that paid money is summed up in.
    currency: String,
    clock: Clock,
    /// `None` where nothing is loaded.
    event_store: Option<EventStore>,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    players: u64,
    /// Players who keep what they had, because something did not answer.
    failed: u64,
}

/// A row of [`figures`].
#[derive(Deserialize, Row)]
struct Found {
    #[serde(with = "clickhouse::serde::uuid")]
    user_id: Uuid,
    days_since_action: u32,
    active_days: u32,
    paid_minor: i64,
    is_new: bool,
    bought: Vec<String>,
}

impl Segments {
    async fn run(&self) -> Result<Report, runtime::Error> {
        let now = self.clock.now();
        let mut report = Report::default();
        let Some(event_store) = &self.event_store else { return Ok(report) };
        let server = event_store.connection().await?;
        for part in 0..PARTS {
            let sql = figures(utc_day(now), &self.currency, part);
            let found = server.fetch::<Found>(&sql).await?;
            let mut saved = stream::iter(found)
                .map(|found| self.save(found, now))
                .buffer_unordered(CONCURRENCY);
            while let Some((player, saved)) = saved.next().await {
                report.players += 1;
                if let Err(error) = saved {
                    report.failed += 1;
                    tracing::warn!(%player, error = chain(&error), "the player's turn comes again");
                }
            }
        }
        tracing::info!(players = report.players, failed = report.failed, "segmented the players");
        Ok(report)
    }

    async fn save(&self, found: Found, at: Timestamp) -> (PlayerId, store::Result<()>) {
        let player = PlayerId::from(found.user_id);
        let figures = Figures::from(found);
        let segmented = Segmented {
            at,
            segment: figures.segment(),
            scores: figures.scores(),
            recommendations: figures.recommendations(),
        };
        (player, self.store.save_segmented(player, &segmented).await)
    }
}

impl From<Found> for Figures {
    fn from(found: Found) -> Self {
        let Found { days_since_action, active_days, paid_minor, is_new, bought, .. } = found;
        Self { days_since_action, active_days, paid_minor, is_new, bought }
    }
}

/// The figures of a part of the players who did something within the window and were not
/// erased.
fn figures(today: Date, currency: &str, part: u8) -> String {
    let since = |days: i32| today.saturating_sub((days - 1).days());
    let (window, month, week) = (since(WINDOW_DAYS), since(FREQUENCY_DAYS), since(NEW_DAYS));
    let actions = ACTIONS.map(|event_type| format!("'{event_type}'")).join(", ");
    format!(
        "SELECT user_id, \
            toUInt32(dateDiff('day', maxIf(event_date, is_action), toDate('{today}'))) \
                AS days_since_action, \
            toUInt32(uniqExactIf(event_date, is_action AND event_date >= '{month}')) \
                AS active_days, \
            sumIf(amount, event_type = '{PURCHASE_SUCCEEDED}') \
                - sumIf(amount, event_type = '{PURCHASE_REFUNDED}') AS paid_minor, \
            toBool(countIf(event_type = '{SIGNUP}' AND event_date >= '{week}') > 0) AS is_new, \
            groupUniqArrayIf(JSONExtractString(payload, 'product_id'), \
                event_type = '{PURCHASE_SUCCEEDED}') AS bought \
         FROM (SELECT user_id, event_type, event_date, payload, \
                event_type != '{PURCHASE_REFUNDED}' AS is_action, \
                if(JSONExtractString(payload, 'currency') = '{currency}', \
                    JSONExtractInt(payload, 'amount_minor'), 0) AS amount \
            FROM events_log \
            WHERE event_date BETWEEN '{window}' AND '{today}' \
                AND event_type IN ({actions}, '{PURCHASE_REFUNDED}') \
                AND user_id NOT IN \
                    (SELECT user_id FROM events_log WHERE event_type = '{ERASED}') \
                AND cityHash64(user_id) % {PARTS} = {part}) \
         GROUP BY user_id HAVING countIf(is_action) > 0"
    )
}
