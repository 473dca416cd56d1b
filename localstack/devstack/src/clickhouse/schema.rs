//! The schema of the event store: migrations, each applied once.
//!
//! A migration is a file of `infra/clickhouse`; they run in the order of their names.
//! What a database has had is in its table `schema_migrations`, with a digest, so that a
//! file that was changed afterwards is refused instead of being half true.
//!
//! ClickHouse has no transaction around DDL. A migration that broke off is not in the
//! table, and runs again from its beginning: every statement must be one that may run
//! twice. Two at once are not provided for.

use anyhow::{Context, Result, bail, ensure};
use clickhouse::{Client, Row};
use runtime::clickhouse::transport;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::root;

/// How the first line of a migration begins that adds a view, or changes one: the view's
/// table is filled anew from what was loaded, while nothing is.
const REBUILDS: &str = "-- Rebuilds ";

/// What every view has counted: the loader feeds the others when it meets them.
const MARKED: &str = "(SELECT * FROM events_log \
                      WHERE load_token IN (SELECT load_token FROM events_loaded))";

/// Which migrations the database has had. Of two rows with a name one counts.
const HISTORY: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations
    (
        name       String,
        -- SHA-256 of its statements, hexadecimal.
        digest     String,
        applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
    )
    ENGINE = ReplacingMergeTree
    ORDER BY name";

/// Who calls a server, and which database is meant.
#[derive(Clone)]
pub struct Account {
    pub user: String,
    pub password: String,
    pub database: String,
}

/// Whether anybody loads events while the schema changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// Nobody: the stack is not up, or the event source mapping of `olap-load` is off.
    Paused,
    /// Perhaps: migrations that cannot bear it are refused.
    Perhaps,
}

#[derive(Deserialize, Row)]
struct Applied {
    name: String,
    digest: String,
}

struct Migration {
    name: String,
    text: String,
}

/// Creates the database and applies what it has not had yet; the names of that.
///
/// # Errors
/// The server cannot be reached or refuses a statement; a migration was changed after it
/// had been applied, sorts before one that was, or does not bear [`Loading::Perhaps`].
pub async fn migrate(url: &str, account: &Account, loading: Loading) -> Result<Vec<String>> {
    is_name(&account.database)?;
    let server = client(url, account);
    run(&server, &format!("CREATE DATABASE IF NOT EXISTS {}", account.database))
        .await
        .context("creating the ClickHouse database")?;
    let server = server.with_database(&account.database);
    run(&server, HISTORY).await.context("creating schema_migrations")?;
    let applied: Vec<Applied> = server
        .query("SELECT name, any(digest) AS digest FROM schema_migrations GROUP BY name")
        .fetch_all()
        .await
        .context("reading schema_migrations")?;
    let mut names = Vec::new();
    for migration in pending(migrations()?, &applied, loading)? {
        let Migration { name, text } = &migration;
        for statement in statements(text) {
            run(&server, statement).await.with_context(|| format!("infra/clickhouse/{name}"))?;
        }
        if let Some(table) = migration.rebuilds() {
            refill(&server, &account.database, table).await.with_context(|| name.clone())?;
        }
        let done = format!(
            "INSERT INTO schema_migrations (name, digest) VALUES ('{name}', '{}')",
            migration.digest()
        );
        run(&server, &done).await.with_context(|| format!("noting {name}"))?;
        names.push(migration.name);
    }
    Ok(names)
}

/// Fills a view's table anew from what was loaded, while nothing is: for a view that
/// `events_parity` shows to differ.
///
/// # Errors
/// There is no such view, or the server refuses. The table may be empty then; once more
/// fills it.
pub async fn rebuild(url: &str, account: &Account, table: &str) -> Result<()> {
    is_name(&account.database)?;
    let server = client(url, account).with_database(&account.database);
    refill(&server, &account.database, table).await
}

async fn refill(server: &Client, database: &str, table: &str) -> Result<()> {
    is_name(table)?;
    let select: String = server
        .query("SELECT as_select FROM system.tables WHERE database = ? AND name = ?")
        .bind(database)
        .bind(format!("{table}_mv"))
        .fetch_one()
        .await
        .with_context(|| format!("{table} is no view's table"))?;
    let feed = format!("{database}.events_feed");
    ensure!(select.contains(&feed), "{table} is not fed by events_feed: {select}");
    run(server, &format!("TRUNCATE TABLE {table}")).await?;
    run(server, &format!("INSERT INTO {table} {}", select.replace(&feed, MARKED))).await
}

fn client(url: &str, account: &Account) -> Client {
    transport(url.starts_with("https:"))
        .with_url(url)
        .with_user(&account.user)
        .with_password(&account.password)
}

fn is_name(name: &str) -> Result<()> {
    ensure!(
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
        "a name is letters, digits and _, not {name:?}"
    );
    Ok(())
}

/// Of all migrations, in order, those that were not applied.
fn pending(all: Vec<Migration>, applied: &[Applied], loading: Loading) -> Result<Vec<Migration>> {
    // One that only a newer build knows stays: this build may be the one rolled back to.
    let latest = all.iter().rposition(|of| applied.iter().any(|done| done.name == of.name));
    let mut pending = Vec::new();
    for (place, migration) in all.into_iter().enumerate() {
        let name = &migration.name;
        if let Some(done) = applied.iter().find(|done| done.name == *name) {
            ensure!(
                done.digest == migration.digest(),
                "{name} was changed after it had been applied: write another one instead"
            );
        } else if latest.is_some_and(|latest| place < latest) {
            bail!("{name} sorts before a migration that was applied: give it a later name");
        } else if loading == Loading::Perhaps && migration.rebuilds().is_some() {
            bail!("{name} needs the loader to be paused: switch its event source mapping off");
        } else {
            pending.push(migration);
        }
    }
    Ok(pending)
}

impl Migration {
    /// The table that is filled from what was loaded.
    fn rebuilds(&self) -> Option<&str> {
        let (table, _) = self.text.strip_prefix(REBUILDS)?.split_once(';')?;
        Some(table)
    }

    /// Of the statements only: a comment may be mended.
    fn digest(&self) -> String {
        let lines = self.text.lines().map(|line| line.split("--").next().unwrap_or_default());
        let words = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        Sha256::digest(words).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn migrations() -> Result<Vec<Migration>> {
    let directory = root().join("infra/clickhouse");
    let mut files = Vec::new();
    for entry in directory.read_dir().with_context(|| directory.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".sql") {
            files.push(Migration { name, text: std::fs::read_to_string(entry.path())? });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// A statement ends with a `;` at the end of a line. A comment may say `;` too,
/// but not there.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

async fn run(server: &Client, statement: &str) -> Result<()> {
    Ok(server.query_raw(statement).execute().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(name: &str, text: &str) -> Migration {
        Migration { name: name.to_owned(), text: text.to_owned() }
    }

    fn had(of: &Migration) -> Applied {
        Applied { name: of.name.clone(), digest: of.digest() }
    }

    fn names(pending: Result<Vec<Migration>>) -> Vec<String> {
        pending.expect("is allowed").into_iter().map(|of| of.name).collect()
    }

    fn refusal(pending: Result<Vec<Migration>>) -> String {
        pending.err().expect("is refused").to_string()
    }

    #[test]
    fn what_was_not_applied_is_pending_in_the_order_of_names() {
        let all = || vec![migration("010.sql", "A;\n"), migration("020.sql", "B;\n")];
        assert_eq!(names(pending(all(), &[], Loading::Perhaps)), ["010.sql", "020.sql"]);
        let first = had(&all()[0]);
        assert_eq!(names(pending(all(), &[first], Loading::Perhaps)), ["020.sql"]);
        let newer = [had(&all()[0]), had(&all()[1]), had(&migration("030.sql", "C;\n"))];
        assert!(names(pending(all(), &newer, Loading::Perhaps)).is_empty());
    }

    #[test]
    fn what_was_applied_stays_as_it_was_but_for_its_comments() {
        let before = had(&migration("010.sql", "-- Why.\nCREATE TABLE a (b String);\n"));
        let commented = migration("010.sql", "CREATE TABLE a\n  (b String); -- Why, better.\n");
        assert!(names(pending(vec![commented], &[before], Loading::Perhaps)).is_empty());
        let before = had(&migration("010.sql", "CREATE TABLE a (b String);\n"));
        let changed = migration("010.sql", "CREATE TABLE a (c String);\n");
        let refused = refusal(pending(vec![changed], &[before], Loading::Perhaps));
        assert!(refused.contains("010.sql was changed"), "{refused}");
    }

    #[test]
    fn none_is_slipped_in_before_one_that_was_applied() {
        let all = vec![migration("010.sql", "A;\n"), migration("020.sql", "B;\n")];
        let second = had(&all[1]);
        let refused = refusal(pending(all, &[second], Loading::Perhaps));
        assert!(refused.contains("010.sql sorts before"), "{refused}");
    }

    #[test]
    fn one_that_rebuilds_a_view_needs_the_loader_to_be_paused() {
        let filling = || {
            vec![migration(
                "010.sql",
                &format!("{REBUILDS}a; the loader is paused meanwhile.\nA;\n"),
            )]
        };
        let refused = refusal(pending(filling(), &[], Loading::Perhaps));
        assert!(refused.contains("010.sql needs"), "{refused}");
        assert_eq!(names(pending(filling(), &[], Loading::Paused)), ["010.sql"]);
    }
}
