//! IAM: what each function's own policy lets it call.
//!
//! A function may do what `template.yaml` grants it and nothing else, so a test
//! on this stack fails where AWS would refuse. Callers that are no function of
//! the template (tests, triggers, the stack itself) may do everything.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Deserialize;
use serde_json::json;

use super::{
    ACCOUNT,
    answer::Answer,
    fault::{Call, Service},
    queue_arn, secrets, ses, stream_arn,
};
use crate::{
    spec::{Permission, Spec},
    template::Pseudo,
};

/// The functions' policies, and which of their grants were ever needed.
#[derive(Debug)]
pub struct Policies {
    by_function: BTreeMap<String, Vec<Grant>>,
    /// Id of the WebSocket API, as ARNs have it.
    socket_api: String,
}

#[derive(Debug)]
struct Grant {
    permission: Permission,
    used: AtomicBool,
}

/// Where an `@connections` call goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection<'a> {
    pub(super) stage: &'a str,
    pub(super) id: &'a str,
}

impl Policies {
    pub(super) fn of(spec: &Spec) -> Self {
        let grant = |permission: &Permission| Grant {
            permission: permission.clone(),
            used: AtomicBool::new(false),
        };
        let grants = spec.functions.values().map(|function| {
            (function.logical_id.clone(), function.policy.iter().map(grant).collect())
        });
        Self {
            by_function: grants.collect(),
            socket_api: spec.socket_api.clone().unwrap_or_default(),
        }
    }

    /// What the policies grant and nobody has needed so far, by function.
    #[must_use]
    pub fn unused(&self) -> BTreeMap<String, BTreeSet<Permission>> {
        let unused = |grants: &Vec<Grant>| -> BTreeSet<_> {
            let idle = grants.iter().filter(|grant| !grant.used.load(Ordering::Relaxed));
            idle.map(|grant| grant.permission.clone()).collect()
        };
        let all = self.by_function.iter().map(|(id, grants)| (id.clone(), unused(grants)));
        all.filter(|(_, unused)| !unused.is_empty()).collect()
    }

    /// The service's answer when the caller may not do this; `None` to go on.
    pub(super) fn refusal(&self, call: &Call<'_>, connection: Connection<'_>) -> Option<Answer> {
        let grants = self.by_function.get(call.caller)?;
        let needed = needed(call, &self.socket_api, connection);
        let missing = needed.into_iter().find(|needed| !allows(grants, needed))?;
        tracing::warn!(
            caller = call.caller,
            action = missing.action,
            resource = missing.resource,
            "refused: the function's policy does not allow this"
        );
        Some(denied(call, &missing))
    }
}

fn allows(grants: &[Grant], needed: &Permission) -> bool {
    let allowing = grants.iter().find(|grant| {
        let Permission { action, resource } = &grant.permission;
        matches(&action.to_ascii_lowercase(), &needed.action.to_ascii_lowercase())
            && matches_arn(resource, &needed.resource)
    });
    allowing.inspect(|grant| grant.used.store(true, Ordering::Relaxed)).is_some()
}

/// What AWS asks IAM for before it serves the call. A request too broken to say
/// what it is about needs nothing: the service itself refuses it.
fn needed(call: &Call<'_>, socket_api: &str, connection: Connection<'_>) -> Vec<Permission> {
    let permission = |operation: &str, resource: String| Permission {
        action: format!("{}:{operation}", call.service.prefix()),
        resource,
    };
    let named: Named<'_> = serde_json::from_slice(call.body).unwrap_or_default();
    let resource = match call.service {
        Service::DynamoDb => {
            let tables = named.tables(call.operation);
            return tables.into_iter().map(|(action, arn)| permission(action, arn)).collect();
        }
        Service::Kinesis => named.stream_arn.map(Cow::into_owned).or_else(|| {
            let name = named.stream_name?;
            Some(stream_arn(&name))
        }),
        Service::Sqs => named.queue_url.and_then(|url| url.rsplit('/').next().map(queue_arn)),
        Service::SecretsManager => named.secret_id.map(|id| secrets::arn(&id)),
        Service::Ses => ses::identity(call.body),
        Service::Connections => {
            let method = match call.operation {
                "PostToConnection" => "POST",
                "GetConnection" => "GET",
                _ => "DELETE",
            };
            let Connection { stage, id } = connection;
            let path = format!("{socket_api}/{stage}/{method}/@connections/{id}");
            Some(Pseudo::default().arn("execute-api", &path))
        }
    };
    let action = match (call.service, call.operation) {
        (Service::Connections, _) => "ManageConnections",
        // Ten messages need the same permission as one.
        (Service::Sqs, operation) => operation.strip_suffix("Batch").unwrap_or(operation),
        (_, operation) => operation,
    };
    resource.into_iter().map(|resource| permission(action, resource)).collect()
}

/// What requests say they are about.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Named<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    index_name: Option<Cow<'a, str>>,
    /// Of `BatchGetItem` and `BatchWriteItem`, by table.
    request_items: BTreeMap<String, serde::de::IgnoredAny>,
    /// By what is done with the item: `Put`, `Update`, `Delete`, `ConditionCheck`, `Get`.
    transact_items: Vec<BTreeMap<String, InTable>>,
    #[serde(borrow)]
    stream_name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    queue_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    secret_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InTable {
    table_name: String,
}

impl Named<'_> {
    /// Actions and tables. A transaction is no permission of its own: each of
    /// its items needs that of the single call.
    fn tables<'o>(&self, operation: &'o str) -> Vec<(&'o str, String)> {
        if operation.starts_with("Transact") {
            let items = self.transact_items.iter().flatten();
            let needed: BTreeSet<_> = items
                .map(|(kind, item)| {
                    let action = match kind.as_str() {
                        "Put" => "PutItem",
                        "Update" => "UpdateItem",
                        "Delete" => "DeleteItem",
                        "ConditionCheck" => "ConditionCheckItem",
                        _ => "GetItem",
                    };
                    (action, table_arn(&item.table_name))
                })
                .collect();
            return needed.into_iter().collect();
        }
        if let Some(table) = &self.table_name {
            let index = self.index_name.as_ref().map(|index| format!("/index/{index}"));
            return vec![(operation, table_arn(table) + &index.unwrap_or_default())];
        }
        self.request_items.keys().map(|table| (operation, table_arn(table))).collect()
    }
}

/// A table may be named by its ARN, too.
fn table_arn(table: &str) -> String {
    if table.starts_with("arn:") { table.to_owned() } else { Pseudo::default().table_arn(table) }
}

fn denied(call: &Call<'_>, missing: &Permission) -> Answer {
    let Permission { action, resource } = missing;
    let caller = call.caller;
    let message = format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/{caller}Role/{caller} is not authorized to \
         perform: {action} on resource: {resource} because no identity-based policy allows the \
         {action} action"
    );
    match call.service {
        Service::Connections => Answer::error(403, "AccessDeniedException", &message),
        Service::Ses => ses::error(403, "AccessDenied", &message),
        Service::DynamoDb | Service::Sqs => Answer {
            status: 400,
            // These two write it with a capital letter.
            body: json!({
                "__type": "com.amazon.coral.service#AccessDeniedException",
                "Message": message,
            })
            .to_string()
            .into_bytes(),
        },
        Service::Kinesis | Service::SecretsManager => {
            Answer::error(400, "AccessDeniedException", &message)
        }
    }
}

/// Part by part: a wildcard never reaches across the colons before the resource.
fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (mut patterns, mut parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if matches(pattern, part) => {}
            _ => return false,
        }
    }
}

/// `*` is any text, `?` any one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` was, and how much of the text it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&expected) if expected == b'?' || expected == text[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((asterisk, swallowed)) = star else { return false };
                star = Some((asterisk, swallowed + 1));
                at = asterisk + 1;
                from = swallowed + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::spec::FunctionSpec;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/journal";

    fn policies(grants: &[(&str, &str)]) -> Policies {
        let permission = |(action, resource): &(&str, &str)| Permission {
            action: (*action).to_owned(),
            resource: (*resource).to_owned(),
        };
        let function = FunctionSpec {
            logical_id: "F".to_owned(),
            policy: grants.iter().map(permission).collect(),
            ..FunctionSpec::default()
        };
        Policies::of(&Spec {
            functions: [("F".to_owned(), function)].into(),
            socket_api: Some("socketapi".to_owned()),
            ..Spec::default()
        })
    }

    /// Whether each of these grants alone lets the call through.
    fn allowed(service: Service, operation: &str, body: &Value, grants: &[(&str, &str)]) -> bool {
        let body = body.to_string();
        let call = Call { caller: "F", service, operation, connection: "", body: body.as_bytes() };
        let connection = Connection { stage: "realtime", id: "abc=" };
        policies(grants).refusal(&call, connection).is_none()
    }

    #[test]
    fn wildcards_match_as_in_iam() {
        for (pattern, text) in [
            ("a*c", "abbc"),
            ("a*c", "ac"),
            ("*", ""),
            ("a?c", "abc"),
            ("*b*d", "abcbcd"),
            ("k-??????", "k-AbC123"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a?c", "ac"), ("a*c", "abcd"), ("", "a"), ("k-??????", "k-2-AbC123"), ("A", "a")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(matches_arn("arn:aws:sqs:*:*:q*", "arn:aws:sqs:us-east-1:000000000000:queue"));
        assert!(!matches_arn("arn:*:queue", "arn:aws:sqs:us-east-1:000000000000:queue"));
    }

    #[test]
    fn a_table_call_needs_its_own_action_on_its_own_table() {
        let get = json!({ "TableName": "journal", "Key": {} });
        let may = |operation, body: &Value, action: &str, resource: &str| {
            allowed(Service::DynamoDb, operation, body, &[(action, resource)])
        };
        assert!(may("GetItem", &get, "dynamodb:GetItem", TABLE));
        assert!(may("GetItem", &get, "DynamoDB:getitem", TABLE), "actions have no case");
        assert!(!may("GetItem", &get, "dynamodb:Query", TABLE));
        assert!(!may("GetItem", &get, "dynamodb:GetItem", &format!("{TABLE}2")));
        assert!(!may("GetItem", &get, "dynamodb:GetItem", &TABLE.to_uppercase()));
        let by_arn = json!({ "TableName": TABLE });
        assert!(may("PutItem", &by_arn, "dynamodb:PutItem", TABLE));
        let index = json!({ "TableName": "journal", "IndexName": "by-day" });
        assert!(!may("Query", &index, "dynamodb:Query", TABLE));
        assert!(may("Query", &index, "dynamodb:Query", &format!("{TABLE}/index/*")));
        let batch = json!({ "RequestItems": { "journal": {}, "other": {} } });
        assert!(!may("BatchGetItem", &batch, "dynamodb:BatchGetItem", TABLE));
        let batch = json!({ "RequestItems": { "journal": {} } });
        assert!(may("BatchGetItem", &batch, "dynamodb:BatchGetItem", TABLE));
        assert!(!may("BatchGetItem", &batch, "dynamodb:GetItem", TABLE));
    }

    #[test]
    fn a_transaction_needs_what_its_items_need() {
        let item = json!({ "TableName": "journal" });
        let body = json!({ "TransactItems": [
            { "Put": item }, { "Update": item }, { "Delete": item }, { "ConditionCheck": item },
        ]});
        let all = ["PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"]
            .map(|action| format!("dynamodb:{action}"));
        let grants: Vec<_> = all.iter().map(|action| (action.as_str(), TABLE)).collect();
        let allowed = |grants: &[(&str, &str)]| {
            allowed(Service::DynamoDb, "TransactWriteItems", &body, grants)
        };
        assert!(allowed(&grants));
        for missing in 0..grants.len() {
            let mut fewer = grants.clone();
            fewer.remove(missing);
            assert!(!allowed(&fewer), "without {}", grants[missing].0);
        }
        assert!(!allowed(&[("dynamodb:TransactWriteItems", TABLE)]));
    }

    #[test]
    fn other_services_name_their_resources_in_their_own_ways() {
        let queue = json!({ "QueueUrl": super::super::queue_url("push.fifo") });
        let send = [("sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:push.fifo")];
        assert!(allowed(Service::Sqs, "SendMessageBatch", &queue, &send));
        assert!(allowed(Service::Sqs, "SendMessage", &queue, &send));
        assert!(!allowed(Service::Sqs, "DeleteMessageBatch", &queue, &send));
        let stream = json!({ "StreamName": "events" });
        let put = [("kinesis:PutRecords", "arn:aws:kinesis:us-east-1:000000000000:stream/events")];
        assert!(allowed(Service::Kinesis, "PutRecords", &stream, &put));
        assert!(!allowed(Service::Kinesis, "PutRecord", &stream, &put));
        let secret = json!({ "SecretId": "casino-club/dev/jwt-keys" });
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:casino-club/dev/jwt-keys";
        for (pattern, allowed_) in [("-??????", true), ("-2-??????", false), ("", false)] {
            let resource = format!("{arn}{pattern}");
            let grants = [("secretsmanager:GetSecretValue", resource.as_str())];
            let may = allowed(Service::SecretsManager, "GetSecretValue", &secret, &grants);
            assert_eq!(may, allowed_, "{resource}");
        }
        let nothing = json!({});
        let api = "arn:aws:execute-api:us-east-1:000000000000:socketapi/realtime";
        let post = format!("{api}/POST/@connections/*");
        let grants = [("execute-api:ManageConnections", post.as_str())];
        assert!(allowed(Service::Connections, "PostToConnection", &nothing, &grants));
        assert!(!allowed(Service::Connections, "DeleteConnection", &nothing, &grants));
        let delete = format!("{api}/DELETE/@connections/*");
        let grants = [("execute-api:ManageConnections", delete.as_str())];
        assert!(allowed(Service::Connections, "DeleteConnection", &nothing, &grants));
        assert!(!allowed(Service::Connections, "PostToConnection", &nothing, &grants));
    }

    #[test]
    fn what_is_refused_says_so_as_aws_does_and_what_is_never_needed_shows() {
        let grants = [("dynamodb:GetItem", TABLE), ("dynamodb:Query", TABLE)];
        let policies = policies(&grants);
        let connection = Connection { stage: "realtime", id: "abc=" };
        let ask = |caller, operation| {
            let body = json!({ "TableName": "journal" }).to_string();
            let service = Service::DynamoDb;
            let call = Call { caller, service, operation, connection: "", body: body.as_bytes() };
            policies.refusal(&call, connection)
        };
        let refusal = ask("F", "PutItem").expect("is refused");
        assert_eq!(refusal.status, 400);
        let body: Value = serde_json::from_slice(&refusal.body).expect("JSON");
        assert!(body["__type"].as_str().expect("a type").ends_with("#AccessDeniedException"));
        let message = body["Message"].as_str().expect("a message");
        assert!(message.contains("dynamodb:PutItem on resource: arn:aws:dynamodb"), "{message}");
        assert!(ask("F", "GetItem").is_none());
        assert!(ask("test", "PutItem").is_none(), "whoever is no function may do everything");
        let query = Permission { action: grants[1].0.to_owned(), resource: TABLE.to_owned() };
        assert_eq!(policies.unused(), [("F".to_owned(), [query].into())].into());
    }
}
