//! Child processes. They write to the terminal themselves, so that their
//! progress shows; only what has to be looked at is captured.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// A command in `dir`, with its output on the terminal.
pub fn command(dir: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    command
}

/// Shows the command, then runs it.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    println!("    {line}");
    let status = command.status().with_context(|| format!("cannot start {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// Whether the command exists and succeeds; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line =
        program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
