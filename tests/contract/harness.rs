//! What `cargo test` leaves out holds no test.
//!
//! Every harness links the whole product below it, and most of them held nothing. A
//! package that is tested from outside alone therefore has none (`test = false` in its
//! `Cargo.toml`), and nobody would miss a test that is added there: here it is noticed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

#[test]
fn what_has_no_harness_has_no_test() -> Result<()> {
    let mut without = 0;
    for package in packages()? {
        if !left_out(&package)? {
            continue;
        }
        without += 1;
        for (path, text) in sources(&package.join("src"))? {
            let tested = text.lines().any(|line| line.trim_end().ends_with("test]"));
            ensure!(!tested, "{} holds a test that never runs", path.display());
        }
    }
    ensure!(without > 30, "only {without} packages without a harness: were they read right?");
    Ok(())
}

fn left_out(package: &Path) -> Result<bool> {
    let manifest: toml::Table = fs::read_to_string(package.join("Cargo.toml"))?.parse()?;
    Ok(manifest.get("lib").and_then(|lib| lib.get("test")?.as_bool()) == Some(false))
}

fn packages() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let mut packages = vec![root.join("tests")];
    for group in ["functions", "shared", "localstack"] {
        for entry in fs::read_dir(root.join(group))? {
            packages.push(entry?.path());
        }
    }
    packages.retain(|package| package.join("Cargo.toml").is_file());
    Ok(packages)
}

fn sources(directory: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            found.push((path, text));
        }
    }
    Ok(found)
}
