//! The book on disk: one JSON record a line, only ever appended to.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use domain::ReceiptId;
use jiff::Timestamp;
use runtime::payments::simulated::wire;
use serde::{Deserialize, Serialize};

use crate::script::{Script, State};

/// Something that happened. The book is the fold of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(crate) enum Record {
    /// A payment began.
    Opened { at: Timestamp, id: String, order: wire::Order, script: Script },
    /// It went on.
    Moved { at: Timestamp, receipt: ReceiptId, to: State },
    /// A notice is to be sent, and after it perhaps an older one.
    Noticed { notice: wire::Notice, copies: u32, then: Option<wire::Payment> },
    /// It was sent. No status: nobody answered.
    Attempted { at: Timestamp, event_id: String, status: Option<u16> },
}

/// Where records are kept; nowhere, for a book in memory.
pub(crate) struct Log(Option<File>);

impl Log {
    /// The log in `directory` and what is in it.
    pub(crate) fn open(directory: Option<&Path>) -> Result<(Self, Vec<Record>)> {
        let Some(directory) = directory else { return Ok((Self(None), Vec::new())) };
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let path: PathBuf = directory.join("book.jsonl");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        // A last line without its end was being written when the process died: nobody
        // was told of it.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let records = text[..whole].lines().enumerate().map(|(line, json)| {
            serde_json::from_str(json)
                .with_context(|| format!("{}, line {}", path.display(), line + 1))
        });
        let records = records.collect::<Result<_>>()?;
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        Ok((Self(Some(file)), records))
    }

    /// Writes the record, before anybody acts on it.
    pub(crate) fn append(&mut self, record: &Record) -> io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        file.write_all(&line)
    }
}
