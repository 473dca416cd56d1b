//! Spins through HTTP: one keep-alive connection a player, one request at a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use devstack::Stack;
use tests::Player;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, tcp::OwnedReadHalf},
    task::JoinSet,
};

use crate::report::{Row, cpu};

pub const WHAT: &str = "spins through HTTP";

/// Spins of all players at once, for `time`.
pub async fn spins(stack: &Stack, players: &[Player], time: Duration) -> Result<Row> {
    let host = stack.base_url.trim_start_matches("http://").to_owned();
    let (started, cpu_before) = (Instant::now(), cpu()?);
    let mut clients = JoinSet::new();
    for (number, player) in players.iter().enumerate() {
        let (host, token) = (host.clone(), player.api.token().unwrap_or_default().to_owned());
        clients.spawn(async move { client(&host, &token, number, started, time).await });
    }
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    let took = started.elapsed();
    latencies.sort_unstable();
    Ok(Row {
        what: WHAT,
        count: latencies.len().try_into()?,
        took,
        latencies,
        cpu: cpu()? - cpu_before,
    })
}

async fn client(
    host: &str,
    token: &str,
    number: usize,
    started: Instant,
    time: Duration,
) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut latencies = Vec::new();
    for spin in 0.. {
        if started.elapsed() >= time {
            break;
        }
        let asked = Instant::now();
        let request = format!(
            "POST /api/games/slot/spin HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             idempotency-key: 0192f0c1-bench-{number:04}-{spin:012}\r\n\
             content-type: application/json\r\ncontent-length: 9\r\n\r\n{{\"bet\":1}}"
        );
        writer.write_all(request.as_bytes()).await?;
        let status = answer(&mut reader).await?;
        ensure!(status == 200, "a spin was answered {status}");
        latencies.push(asked.elapsed());
    }
    Ok(latencies)
}

/// Reads one whole answer; its status.
async fn answer(reader: &mut BufReader<OwnedReadHalf>) -> Result<u16> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).context("a status line")?.parse()?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).await?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(status)
}
