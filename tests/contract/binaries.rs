//! The binaries that are shipped name every operation they can call, on paths that no
//! test takes, too: policies grant these and no others.

use std::{collections::BTreeSet, fs};

use devstack::spec::Spec;

use crate::snapshot;

/// Where `cargo xtask build` puts `<name>/bootstrap`.
const BINARIES: &str = "target/lambda";

#[test]
fn every_operation_in_a_binary_is_granted_and_every_grant_is_in_the_binary() {
    let mut wrong = Vec::new();
    for (id, function) in &spec().functions {
        let linked = operations(&function.crate_name);
        let needed: BTreeSet<_> = linked.iter().map(|operation| action(operation)).collect();
        let mut granted: BTreeSet<_> =
            function.policy.iter().map(|permission| permission.action.clone()).collect();
        // What else a transaction may hold shows in no binary: see `action`.
        if linked.contains(TRANSACTION) {
            granted
                .retain(|action| needed.contains(action) || !IN_TRANSACTIONS.contains(&&**action));
        }
        if needed != granted {
            let missing: Vec<_> = needed.difference(&granted).collect();
            let idle: Vec<_> = granted.difference(&needed).collect();
            wrong.push(format!("{id}: not granted: {missing:?}; not in the binary: {idle:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn spec() -> Spec {
    let parameters = devstack::parameters::of_dev_stage().expect("samconfig.toml reads");
    let pseudo = devstack::template::Pseudo::default();
    devstack::template::load(&snapshot::path("template.yaml"), &parameters, &pseudo)
        .expect("template.yaml reads")
}

const TRANSACTION: &str = "dynamodb:TransactWriteItems";

/// What transactions are made of besides puts, in some functions. The local stack asks
/// for each item's own action, so the run shows which.
const IN_TRANSACTIONS: [&str; 2] = ["dynamodb:DeleteItem", "dynamodb:UpdateItem"];

/// The IAM action that an operation needs.
fn action(operation: &str) -> String {
    match operation {
        // Every transaction puts an entry.
        TRANSACTION => "dynamodb:PutItem".to_owned(),
        _ if operation.starts_with("apigatewaymanagement:") => {
            "execute-api:ManageConnections".to_owned()
        }
        _ if operation.starts_with("sqs:") => {
            operation.strip_suffix("Batch").unwrap_or(operation).to_owned()
        }
        _ => operation.to_owned(),
    }
}

/// The services' names in `X-Amz-Target`.
const TARGETS: [(&str, &str); 4] = [
    ("dynamodb", "DynamoDB_20120810."),
    ("kinesis", "Kinesis_20131202."),
    ("secretsmanager", "secretsmanager."),
    ("sqs", "AmazonSQS."),
];

/// The operations that a function's binary can call: `dynamodb:GetItem`.
///
/// The linker keeps an operation's code if and only if something can reach it, and
/// with the code its strings, stripped or not. The path of its error type is the
/// surest of them. The header that names the operation serves as a check: where it
/// is there (the compiler may make it of numbers), the path must be, too.
fn operations(name: &str) -> BTreeSet<String> {
    let path = snapshot::path(BINARIES).join(name).join("bootstrap");
    let binary = fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask build` makes it", path.display())
    });
    let text = String::from_utf8_lossy(&binary);
    let found: BTreeSet<_> = after(&text, "aws_sdk_").filter_map(operation_of_path).collect();
    for (service, target) in TARGETS {
        for rest in after(&text, target).filter(|rest| rest.starts_with(char::is_uppercase)) {
            // What follows in memory follows without a gap.
            let known = found.iter().any(|operation| {
                let (of, operation) = operation.split_once(':').expect("service:operation");
                of == service && rest.starts_with(operation)
            });
            let seen: String = rest.chars().take(40).collect();
            assert!(known, "{name} sends {target}{seen}…, whose code is not found");
        }
    }
    found
}

/// From what follows `aws_sdk_` in `aws_sdk_dynamodb::operation::get_item::GetItemError`.
fn operation_of_path(rest: &str) -> Option<String> {
    let mut parts = rest.splitn(4, "::");
    let (service, "operation", operation, _) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    // Other strings with these words in them go on with other characters.
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if !is_name(service) || !is_name(operation) {
        return None;
    }
    let word = |word: &str| {
        let (first, others) = word.split_at_checked(1).unwrap_or_default();
        first.to_uppercase() + others
    };
    Some(format!("{service}:{}", operation.split('_').map(word).collect::<String>()))
}

/// What follows each occurrence of a text.
fn after<'t>(text: &'t str, what: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(what).map(move |(start, _)| &text[start + what.len()..])
}
