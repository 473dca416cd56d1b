//! What was measured, as a table.

use std::time::Duration;

/// One measurement.
pub struct Row {
    pub what: &'static str,
    pub count: u64,
    pub took: Duration,
    /// Sorted.
    pub latencies: Vec<Duration>,
    /// Of the whole process.
    pub cpu: Duration,
}

impl Row {
    fn per_second(&self) -> f64 {
        count(self.count) / self.took.as_secs_f64()
    }

    fn percentile(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
fn count(number: u64) -> f64 {
    number as f64
}

/// Every row, and the ratio of the sums.
pub fn print(rows: &[Row]) {
    println!(
        "{:<24} {:>9} {:>9} {:>9} {:>9} {:>12}",
        "", "per s", "p50 ms", "p95 ms", "p99 ms", "CPU µs each"
    );
    for row in rows {
        println!(
            "{:<24} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>12.0}",
            row.what,
            row.per_second(),
            row.percentile(50),
            row.percentile(95),
            row.percentile(99),
            row.cpu.as_secs_f64() * 1e6 / count(row.count),
        );
    }
    let rate = |what: &str| {
        let of: Vec<_> = rows.iter().filter(|row| row.what == what).collect();
        let total: u64 = of.iter().map(|row| row.count).sum();
        let took: Duration = of.iter().map(|row| row.took).sum();
        count(total) / took.as_secs_f64()
    };
    let spins = rate(crate::client::WHAT);
    for what in [crate::engine::PUBLISHED, crate::engine::INDEXED] {
        println!("{what} / spins through HTTP: {:.2}", rate(what) / spins);
    }
}

/// User and system time of this process so far.
///
/// # Errors
/// Not on Linux.
pub fn cpu() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
