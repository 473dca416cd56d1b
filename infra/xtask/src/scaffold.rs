//! `cargo xtask new-endpoint`: one more HTTP function, in every place that a
//! function has.

use std::path::Path;

use anyhow::bail;

use crate::{
    edit::Edits,
    process::{command, run},
    template::{fill, pascal},
};

/// Options of `cargo xtask new-endpoint`.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the crate, noun first: `achievement-claim`
    name: String,
    #[arg(long, value_parser = ["GET", "POST", "PUT", "DELETE"])]
    method: String,
    /// As API Gateway writes it: `/api/achievements/{id}/claim`
    #[arg(long)]
    path: String,
    /// Callers need an access token
    #[arg(long)]
    auth: bool,
}

/// New files: path and text, both with placeholders.
const FILES: &[(&str, &str)] = &[
    ("functions/{{name}}/Cargo.toml", include_str!("../templates/Cargo.toml.txt")),
    ("functions/{{name}}/src/main.rs", include_str!("../templates/main.rs.txt")),
    ("functions/{{name}}/src/lib.rs", include_str!("../templates/lib.rs.txt")),
    ("tests/journeys/{{crate}}.rs", include_str!("../templates/journey.rs.txt")),
];

/// The marker that the lists of functions share.
const FUNCTIONS: &str = "(cargo xtask new-endpoint adds functions above)";

/// Places in existing files: path, marker of the line after, text.
const PLACES: &[(&str, &str, &str)] = &[
    (
        "template.yaml",
        "# --- Functions behind the WebSocket API",
        include_str!("../templates/function.yaml"),
    ),
    ("Cargo.toml", FUNCTIONS, "{{name}} = { path = \"functions/{{name}}\" }\n"),
    ("localstack/devstack/Cargo.toml", FUNCTIONS, "{{name}}.workspace = true\n"),
    (
        "localstack/devstack/src/functions.rs",
        FUNCTIONS,
        "    (\"{{name}}\", {{crate}}::function),\n",
    ),
    (
        "localstack/devstack/src/functions.rs",
        "(cargo xtask new-endpoint adds routers above)",
        "        {{crate}}::router().into_openapi(),\n",
    ),
    (
        "tests/journeys/main.rs",
        "(cargo xtask new-endpoint adds journeys above)",
        "mod {{crate}};\n",
    ),
];

const SIGNED_IN: &str = "signed_in_app(routes, &deps, deps.jwt_keys()?)";

const ENVIRONMENT: &str = "      Environment:
        Variables:
          JWT_KEYS_SECRET: !Sub casino-club/${Stage}/jwt-keys
";

const STATEMENT: &str = "            - Effect: Allow
              Action: secretsmanager:GetSecretValue
              Resource: !Sub arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:casino-club/${Stage}/jwt-keys-??????
";

/// Writes the endpoint, or nothing at all if a place for it is missing.
///
/// # Errors
/// When the name or path cannot be one, the function exists already, or a file
/// has lost its marker.
pub fn new_endpoint(root: &Path, args: &Args) -> anyhow::Result<()> {
    check(args)?;
    let when_auth = |text: &'static str| if args.auth { text } else { "" };
    // What reading and committing a plan take, and no more.
    let actions: &[&str] = if args.method == "GET" {
        &["GetItem", "Query"]
    } else {
        &["BatchGetItem", "GetItem", "PutItem"]
    };
    let actions: String =
        actions.iter().map(|action| format!("                - dynamodb:{action}\n")).collect();
    let get = args.method == "GET";
    let problems = match (args.auth, get) {
        (true, true) => "ReadProblems",
        (true, false) => "WriteProblems",
        (false, true) => "PublicReadProblems",
        (false, false) => "PublicWriteProblems",
    };
    let values = [
        ("problems", problems),
        ("guard", when_auth("guarded(Role::Standard, ")),
        ("end_guard", when_auth(")")),
        (
            "http_imports",
            if args.auth { "Caller, Role, guarded, ok, signed_in_app" } else { "app, ok" },
        ),
        ("app", if args.auth { SIGNED_IN } else { "app(routes, &deps)" }),
        ("caller_argument", when_auth("\n    _caller: Caller,")),
        ("name", args.name.as_str()),
        ("crate", &args.name.replace('-', "_")),
        ("Name", &pascal(&args.name)),
        ("METHOD", &args.method),
        ("method", &args.method.to_ascii_lowercase()),
        ("path", &args.path),
        ("environment", when_auth(ENVIRONMENT)),
        ("statements", when_auth(STATEMENT)),
        ("actions", &actions),
    ];

    let mut edits = Edits::new(root);
    for (path, text) in FILES {
        edits.create(fill(path, &values), fill(text, &values))?;
    }
    for (path, marker, text) in PLACES {
        edits.insert_before(path, marker, &fill(text, &values))?;
    }
    edits.apply()?;
    // Lists of modules are in order, and short signatures on one line.
    run(command(root, "cargo").args(["fmt", "--all"]))?;
    // Cargo.lock lists the workspace's own crates too.
    run(command(root, "cargo").args(["update", "--workspace", "--offline"]))?;
    println!(
        "\nNow write the handler, trim the policy in template.yaml, add a row to\n\
         tests/src/budgets.rs and a call to tests/contract/permissions.rs,\n\
         accept the new API document with `UPDATE_SNAPSHOTS=1 cargo test -p tests --test contract`,\n\
         and run `cargo verify`."
    );
    Ok(())
}

fn check(args: &Args) -> anyhow::Result<()> {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if !args.name.split('-').all(word) {
        bail!("{}: a function's name is lower-case words joined by hyphens", args.name);
    }
    if !args.path.starts_with('/') || args.path.ends_with('/') {
        bail!("{}: a path starts with a slash and does not end with one", args.path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str, path: &str) -> Args {
        Args { name: name.into(), method: "POST".into(), path: path.into(), auth: true }
    }

    #[test]
    fn names_are_words_joined_by_hyphens() {
        assert!(check(&args("achievement-claim", "/api/achievements/{id}/claim")).is_ok());
        for name in ["", "Slot", "slot_spin", "slot-", "-slot", "1slot", "slot--spin", "../slot"] {
            assert!(check(&args(name, "/api/x")).is_err(), "{name}");
        }
    }

    #[test]
    fn paths_start_with_a_slash_and_do_not_end_with_one() {
        for path in ["", "api/x", "/api/x/", "/"] {
            assert!(check(&args("slot-spin", path)).is_err(), "{path}");
        }
    }
}
