//! `cargo xtask build`: every function as the binary that is deployed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;

use crate::{
    process::{command, run},
    tools,
};

/// Where `cargo lambda` leaves `<name>/bootstrap`.
pub const BOOTSTRAPS: &str = "target/lambda";

/// What a function costs before it does anything; measured beside the functions.
const FLOORS: [&str; 2] = ["floor-hello", "floor-get-item"];

/// Options of `cargo xtask build`.
#[derive(clap::Args)]
pub struct Args {
    /// What to build for; by default arm64 if this toolchain has the target, else
    /// x86-64, so that a deployment takes it from here (`target/lambda/architecture`)
    #[arg(long)]
    architecture: Option<Architecture>,
}

/// As template.yaml's parameter of that name has it.
#[derive(Clone, Copy, ValueEnum)]
enum Architecture {
    #[value(name = "arm64")]
    Arm,
    #[value(name = "x86_64")]
    X86,
}

impl Args {
    /// For this very machine, whatever the toolchain can do besides.
    pub fn for_this_machine() -> Self {
        let arm = std::env::consts::ARCH == "aarch64";
        Self { architecture: Some(if arm { Architecture::Arm } else { Architecture::X86 }) }
    }
}

impl Architecture {
    fn name(self) -> &'static str {
        match self {
            Self::Arm => "arm64",
            Self::X86 => "x86_64",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Arm => "aarch64-unknown-linux-gnu",
            Self::X86 => "x86_64-unknown-linux-gnu",
        }
    }

    /// Whether the toolchain can compile for it.
    fn is_installed(self, root: &Path) -> anyhow::Result<bool> {
        let libraries = command(root, "rustc")
            .args(["--print", "target-libdir", "--target", self.target()])
            .output()
            .context("rustc")?;
        Ok(Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir())
    }
}

/// Builds every function and the floors, stripped, and prints how large they are.
///
/// Linked by zig against the glibc of Lambda's image, which is older than most
/// machines' own.
///
/// # Errors
/// When one cannot be built.
pub fn build(root: &Path, args: &Args) -> anyhow::Result<()> {
    let architecture = match args.architecture {
        Some(architecture) => architecture,
        None if Architecture::Arm.is_installed(root)? => Architecture::Arm,
        None => Architecture::X86,
    };
    let functions = functions(root)?;
    let tools = tools::python_tools(root)?;
    let mut cargo = command(root, tools.join("cargo-lambda"));
    cargo.args(["lambda", "build", "--release", "--locked", "--target", architecture.target()]);
    for name in functions.iter().map(String::as_str).chain(FLOORS) {
        cargo.args(["--package", name]);
    }
    // It looks for zig in the same place.
    run(tools::on_path(&mut cargo, &tools)?)?;
    fs::write(root.join(BOOTSTRAPS).join("architecture"), architecture.name())?;

    println!("\n{:<20} {:>8}", "function", "MB");
    for name in functions.iter().map(String::as_str).chain(FLOORS) {
        let size = fs::metadata(bootstrap(root, name)).with_context(|| name.to_owned())?.len();
        println!("{name:<20} {:>8.2}", size as f64 / 1e6);
    }
    println!("{}, in {BOOTSTRAPS}/<function>/bootstrap", architecture.target());
    Ok(())
}

/// Where a function's binary lies.
fn bootstrap(root: &Path, name: &str) -> PathBuf {
    root.join(BOOTSTRAPS).join(name).join("bootstrap")
}

/// The crates under functions/, which are those that template.yaml names.
fn functions(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in fs::read_dir(root.join("functions"))? {
        let folder = folder?;
        if folder.path().join("Cargo.toml").is_file() {
            names.push(folder.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
