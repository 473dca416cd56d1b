//! What a plan is as a transaction, and what every answer to one amounts to.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::ErrorMetadata,
    types::error::{
        IdempotentParameterMismatchException, ResourceNotFoundException,
        TransactionCanceledException, TransactionConflictException,
    },
};
use aws_smithy_types::body::SdkBody;
use domain::{
    AttemptId, Credential, Ctx, Device, Devices, EmailAddress, Invite, OnceKey, PasswordHash,
    Player, Profile, Role,
    command::{
        activate_fraud_rules, change_email, change_password, erase, issue_invite,
        log_in::{self, LogIn},
        record_fraud_decision, rename, reset,
        sign_up::{self, Policy, SignUp},
    },
    fraud::{Assessment, Document, Features, assess},
};

use super::*;

fn reason(code: &str) -> CancellationReason {
    CancellationReason::builder().code(code).build()
}

fn used_key() -> CancellationReason {
    let pointer =
        Pointer { player: PlayerId::from_bytes([1; 16]), seq: 7, request_hash: "h".to_owned() };
    let item = item::encode(keys::socket("x"), "once", pointer).expect("encodes");
    CancellationReason::builder().code("ConditionalCheckFailed").set_item(Some(item)).build()
}

fn purposes() -> [Purpose; 4] {
    [Purpose::Version, Purpose::Version, Purpose::Once, Purpose::Rule(Rejection::SiteIdTaken)]
}

#[test]
fn every_cancellation_has_its_outcome() {
    let failed = "ConditionalCheckFailed";
    let cases = [
        (vec![reason(failed), reason(failed), used_key(), reason("None")], "Duplicate"),
        (vec![reason(failed), reason("None"), used_key(), reason(failed)], "Duplicate"),
        (vec![reason(failed), reason("None"), reason("None"), reason("None")], "Moved"),
        (
            vec![reason("TransactionConflict"), reason("None"), reason("None"), reason("None")],
            "Moved",
        ),
        (vec![reason("None"), reason("None"), reason("None"), reason(failed)], "SiteIdTaken"),
        (vec![reason(failed), reason("None"), reason("None"), reason(failed)], "Moved"),
        (
            vec![reason("None"), reason("TransactionConflict"), reason("None"), reason(failed)],
            "SiteIdTaken",
        ),
        (
            vec![reason("ThrottlingError"), reason("None"), reason("None"), reason("None")],
            "Unanswered",
        ),
        (vec![reason("ValidationError"), reason("None"), reason("None"), reason("None")], "None"),
    ];
    for (reasons, expected) in cases {
        let outcome = outcome_of_reasons(&reasons, &purposes()).expect("decodes");
        assert!(format!("{outcome:?}").contains(expected), "{reasons:?} gave {outcome:?}");
    }
}

fn ctx() -> Ctx {
    let now = "2026-11-21T12:00:00Z".parse().expect("an instant");
    Ctx { now, seed: [7; 32], trace_id: "t".to_owned() }
}

fn store() -> Store {
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    Store::new(&config, "the-table")
}

fn once() -> Once {
    Once { key: OnceKey::Header("key-1".to_owned()), request_hash: "hash".to_owned() }
}

fn hash() -> PasswordHash {
    PasswordHash("$argon2id$".to_owned())
}

/// Signing up by the invite, or without.
fn signup(invite: Option<&Invite>) -> Plan {
    let command = SignUp {
        site_id: "Jimin01".to_owned(),
        nickname: "Jimin".to_owned(),
        role: Role::Standard,
        invite_code: invite.map_or("5858", |invite| &invite.code).to_owned(),
        birth_date: jiff::civil::date(1998, 4, 1),
        must_change_password: false,
        device: None,
    };
    let policy = Policy { unlimited_invite_code: Some("5858".to_owned()), minimum_age_years: 19 };
    sign_up::decide(&command, hash(), &policy, invite, &ctx()).expect("admitted")
}

fn invite() -> Invite {
    let expires_at = "2026-12-01T00:00:00Z".parse().expect("an instant");
    Invite { code: "SPRING".to_owned(), uses_left: 10, expires_at }
}

/// The player of [`signup`], 41 entries later.
fn player() -> Player {
    Player { version: 41, ..signup(None).after().clone() }
}

/// An item of a transaction: purpose, what is done, where, and on which condition.
type Part = (String, &'static str, String, Option<String>);

/// Every item, in order.
fn parts(plan: &Plan) -> Vec<Part> {
    let (purposes, items) = store().transaction(plan).expect("it can be written");
    assert_eq!(purposes.len(), items.len());
    purposes.iter().zip(&items).map(|(purpose, item)| part(purpose, item)).collect()
}

fn part(purpose: &Purpose, item: &TransactWriteItem) -> Part {
    let place = |key: &Item| {
        format!("{}/{}", item::pk(key).unwrap_or_default(), item::sk(key).unwrap_or_default())
    };
    let (verb, table, place, condition) = match (item.put(), item.delete(), item.update()) {
        (Some(put), None, None) => {
            ("put", put.table_name(), place(put.item()), put.condition_expression())
        }
        (None, Some(delete), None) => {
            ("delete", delete.table_name(), place(delete.key()), delete.condition_expression())
        }
        (None, None, Some(update)) => {
            ("update", update.table_name(), place(update.key()), update.condition_expression())
        }
        _ => panic!("{item:?}"),
    };
    assert_eq!(table, "the-table");
    (format!("{purpose:?}"), verb, place, condition.map(str::to_owned))
}

const NEW: Option<&str> = Some("attribute_not_exists(pk)");
const OWN: Option<&str> = Some("player = :player");

/// Asserts what a plan adds to state and entry; `{id}` and `{shard}` are the player's.
#[track_caller]
fn adds(plan: &Plan, expected: &[(&str, &'static str, &str, Option<&str>)]) {
    let id = plan.player();
    let shard = format!("{:02}", roster::shard(id));
    let expected: Vec<Part> = expected
        .iter()
        .map(|(purpose, verb, place, condition)| {
            let place = place.replace("{id}", &id.to_string()).replace("{shard}", &shard);
            ((*purpose).to_owned(), *verb, place, condition.map(str::to_owned))
        })
        .collect();
    assert_eq!(parts(plan)[2..], expected);
}

#[test]
fn a_new_player_is_written_only_where_nothing_of_theirs_is() {
    let plan = signup(None).sealed(Some(once()), None);
    let id = plan.player();
    let new = |place: String| ("Version".to_owned(), "put", place, NEW.map(str::to_owned));
    let state_and_entry =
        [new(format!("PLAYER#{id}/STATE")), new(format!("PLAYER#{id}/ENTRY#0000000000000001"))];
    assert_eq!(parts(&plan)[..2], state_and_entry);
    adds(
        &plan,
        &[
            ("Once", "put", "ONCE#KEY#{id}#key-1/ONCE", NEW),
            ("Rule(SiteIdTaken)", "put", "SITE#jimin01/SITE", NEW),
            ("Rule(NicknameTaken)", "put", "NICK#jimin/NICK", NEW),
            ("Free", "put", "PLAYER#{id}/AUTH#CREDENTIAL", None),
            ("Free", "put", "ROSTER#{shard}/{id}", None),
        ],
    );
}

#[test]
fn an_invite_is_made_where_there_is_none_and_used_while_it_lasts() {
    let plan = issue_invite::decide(&player(), &invite(), "spring", &ctx()).expect("in time");
    adds(&plan, &[("Rule(InviteCodeExists)", "put", "INVITE#SPRING/INVITE", NEW)]);
    let (_, items) = store().transaction(&plan).expect("it can be written");
    let stored = items.last().and_then(TransactWriteItem::put).expect("the invite").item().clone();
    // So that the table forgets it.
    let expires_at = AttributeValue::N(invite().expires_at.as_second().to_string());
    assert_eq!(stored.get("expires_at"), Some(&expires_at));
    assert_eq!(item::decode::<Invite>(stored).expect("reads back"), invite());

    let plan = signup(Some(&invite()));
    let (purposes, items) = store().transaction(&plan).expect("it can be written");
    let last = items.last().expect("items");
    let (purpose, verb, place, condition) = part(purposes.last().expect("purposes"), last);
    assert_eq!((&*purpose, verb), ("Rule(InvalidInviteCode)", "update"));
    assert_eq!(place, "INVITE#SPRING/INVITE");
    assert_eq!(condition.as_deref(), Some("uses_left >= :one AND expires_at > :now"));
    let update = last.update().expect("an update");
    assert_eq!(update.update_expression(), "SET uses_left = uses_left - :one");
    let values = update.expression_attribute_values().expect("values");
    let number = |number: i64| Some(AttributeValue::N(number.to_string()));
    let now = ctx().now.as_second();
    assert_eq!(
        (values.get(":one"), values.get(":now")),
        (number(1).as_ref(), number(now).as_ref())
    );
}

#[test]
fn a_name_is_taken_only_if_free_and_given_back_only_if_owned() {
    let plan = rename::decide(&player(), "Mina", &ctx()).expect("fine").expect("another name");
    let taken = ("Rule(NicknameTaken)", "put", "NICK#mina/NICK", NEW);
    adds(&plan, &[taken, ("Free", "delete", "NICK#jimin/NICK", OWN)]);
    let (_, items) = store().transaction(&plan).expect("it can be written");
    let release = items.last().and_then(TransactWriteItem::delete).expect("the old name");
    let values = release.expression_attribute_values().expect("values");
    let owner = AttributeValue::S(plan.player().to_string());
    assert_eq!(values.get(":player"), Some(&owner));

    let plan = rename::decide(&player(), "JIMIN", &ctx()).expect("fine").expect("other letters");
    adds(&plan, &[]);
}

#[test]
fn the_forgotten_leave_state_and_journal_and_nothing_else() {
    let plan = erase::decide(&player(), &ctx()).expect("never refused");
    adds(
        &plan,
        &[
            ("Free", "delete", "SITE#jimin01/SITE", OWN),
            ("Free", "delete", "NICK#jimin/NICK", OWN),
            ("Free", "delete", "PLAYER#{id}/AUTH#CREDENTIAL", None),
            ("Free", "delete", "PLAYER#{id}/AUTH#EMAIL", None),
            ("Free", "delete", "PLAYER#{id}/AUTH#EMAIL#PENDING", None),
            ("Free", "delete", "ROSTER#{shard}/{id}", None),
            ("Free", "put", "DEPARTED#{shard}/{id}", None),
        ],
    );
}

#[test]
fn fraud_rules_follow_the_version_they_replace_and_every_version_stays() {
    let put = |version| {
        let document = Rules::built_in().document().clone();
        let rules = Rules::new(version, document).expect("sound");
        activate_fraud_rules::decide(&player(), &rules, "cards", &ctx()).expect("accepted")
    };
    let moved = "Rule(FraudRulesMoved)";
    let kept = |place| (moved, "put", place, NEW);
    let in_force = "FRAUD#RULES/IN-FORCE";
    adds(&put(1), &[kept("FRAUD#RULES/VERSION#0000000001"), (moved, "put", in_force, NEW)]);
    let replaces = (moved, "put", in_force, Some("#version = :replaced"));
    adds(&put(2), &[kept("FRAUD#RULES/VERSION#0000000002"), replaces]);
    let (_, items) = store().transaction(&put(2)).expect("it can be written");
    let last = items.last().and_then(TransactWriteItem::put).expect("the rules in force");
    let values = last.expression_attribute_values().expect("values");
    assert_eq!(values.get(":replaced"), Some(&AttributeValue::N("1".to_owned())));
    let stored: StoredRules = item::decode(last.item().clone()).expect("reads back");
    let document = serde_json::from_str::<Document>(&stored.document).expect("a document");
    assert_eq!((stored.version, &document), (2, Rules::built_in().document()));
}

#[test]
fn a_fraud_decision_is_stored_once_and_without_an_end() {
    let features = Features { cards_24h: 5, ..Features::default() };
    let assessment = Assessment {
        attempt: AttemptId::from_bytes([5; 16]),
        player: player().id,
        at: ctx().now,
        currency: "KRW".to_owned(),
        features,
        decision: assess(Rules::built_in(), &features),
        trace_id: "t".to_owned(),
    };
    let plan = record_fraud_decision::decide(&player(), &assessment, &ctx()).expect("accepted");
    let place = format!("FRAUD#DECISION#{}/DECISION", assessment.attempt);
    adds(&plan, &[("Rule(FraudAlreadyDecided)", "put", &place, NEW)]);
    let (_, items) = store().transaction(&plan).expect("it can be written");
    let stored = items.last().and_then(TransactWriteItem::put).expect("the decision").item();
    assert!(!stored.contains_key("expires_at"));
    assert_eq!(item::decode::<Assessment>(stored.clone()).expect("reads back"), assessment);
}

#[test]
fn a_password_is_stored_with_the_entry_that_set_it() {
    let session = player().sessions.iter().next().expect("the first session").id;
    let devices = Devices::default().with(Device([7; 8]));
    let credential =
        |set_by| Credential { password_hash: hash(), set_by, devices: devices.clone() };
    let command = LogIn { credential: credential(1), rehashed: Some(hash()), device: vec![] };
    let changed = change_password::decide(&player(), session, 1, hash(), devices.clone(), &ctx())
        .expect("known");
    let rehashed = log_in::decide(&player(), &command, &ctx()).expect("the password");
    let reset = reset::decide(&player(), hash(), &ctx()).expect("it fits");
    // An account that begins anew was seen with nothing.
    let none = Devices::default();
    for (plan, set_by, known) in
        [(changed, 42, &devices), (rehashed, 1, &devices), (reset, 42, &none)]
    {
        let (_, items) = store().transaction(&plan).expect("it can be written");
        let last = items.iter().rev().find_map(TransactWriteItem::put).expect("the credential");
        let stored: StoredCredential = item::decode(last.item().clone()).expect("a credential");
        assert_eq!((&*stored.password_hash, stored.set_by), ("$argon2id$", set_by));
        assert_eq!((plan.after().password_seq, &stored.devices), (set_by, known));
    }
}

#[test]
fn an_address_is_taken_over_only_if_it_is_the_one_that_waits() {
    let address = EmailAddress::new("jimin@example.com".to_owned());
    let given = change_email::request(&player(), address, 1, &ctx()).expect("the password");
    adds(&given, &[("Free", "put", "PLAYER#{id}/AUTH#EMAIL#PENDING", None)]);
    let [Change::StorePendingEmail { email }] = given.changes() else { panic!("{given:?}") };
    let confirmed = change_email::confirm(given.after(), email, &ctx()).expect("in time");
    let waits = Some("requested_by = :requested_by");
    adds(
        &confirmed,
        &[
            ("Rule(EmailNotPending)", "delete", "PLAYER#{id}/AUTH#EMAIL#PENDING", waits),
            ("Free", "put", "PLAYER#{id}/AUTH#EMAIL", None),
        ],
    );
    // What waits is forgotten by itself, what was confirmed is not.
    let expiry = |plan: &Plan| {
        let (_, items) = store().transaction(plan).expect("it can be written");
        let last = items.iter().rev().find_map(TransactWriteItem::put).expect("an address");
        last.item().get("expires_at").cloned()
    };
    let seconds = email.confirm_until.as_second().to_string();
    assert_eq!(expiry(&given), Some(AttributeValue::N(seconds)));
    assert_eq!(expiry(&confirmed), None);
}

#[test]
fn a_change_depends_on_the_version_it_was_decided_on_and_on_an_unused_key() {
    let before =
        Player { version: 41, ..Player::unborn(PlayerId::from_bytes([1; 16]), Profile::default()) };
    let credential = Credential { password_hash: hash(), set_by: 0, devices: Devices::default() };
    let command = LogIn { credential, rehashed: None, device: vec![] };
    let plan = log_in::decide(&before, &command, &ctx()).expect("the password");
    let plan = plan.sealed(Some(once()), None);
    let (_, items) = store().transaction(&plan).expect("it can be written");
    let puts: Vec<_> = items.iter().filter_map(TransactWriteItem::put).collect();
    assert_eq!(puts[0].condition_expression(), Some("#version = :before"));
    let names = puts[0].expression_attribute_names().expect("names");
    assert_eq!(names.get("#version").map(String::as_str), Some("version"));
    let values = puts[0].expression_attribute_values().expect("values");
    assert_eq!(values.get(":before"), Some(&AttributeValue::N("41".to_owned())));
    assert_eq!(puts[0].item().get("version"), Some(&AttributeValue::N("42".to_owned())));
    assert_eq!(puts[1].condition_expression(), Some("attribute_not_exists(pk)"));
    // The pointer says whose entry it leads to, and comes back when it is there.
    let pointer: Pointer = item::decode(puts[2].item().clone()).expect("a pointer");
    assert_eq!((pointer.player, pointer.seq, &*pointer.request_hash), (before.id, 42, "hash"));
    let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
    assert_eq!(puts[2].return_values_on_condition_check_failure(), Some(&all_old));
}

#[test]
fn without_a_key_there_is_no_pointer() {
    assert!(parts(&signup(None)).iter().all(|(purpose, ..)| purpose != "Once"));
}

fn refused_by(error: TransactWriteItemsError) -> SdkError<TransactWriteItemsError> {
    let status = 400.try_into().expect("a status");
    SdkError::service_error(error, HttpResponse::new(status, SdkBody::empty()))
}

fn generic(code: &str) -> SdkError<TransactWriteItemsError> {
    let metadata = ErrorMetadata::builder().code(code).build();
    refused_by(TransactWriteItemsError::generic(metadata))
}

fn canceled(codes: [&str; 4]) -> SdkError<TransactWriteItemsError> {
    let reasons = codes.map(reason).to_vec();
    let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons));
    refused_by(TransactWriteItemsError::TransactionCanceledException(error.build()))
}

#[test]
fn only_a_request_that_is_wrong_itself_is_refused() {
    use TransactWriteItemsError as E;
    let mismatch = IdempotentParameterMismatchException::builder().build();
    for wrong in [
        refused_by(E::ResourceNotFoundException(ResourceNotFoundException::builder().build())),
        refused_by(E::IdempotentParameterMismatchException(mismatch)),
        generic("ValidationException"),
        generic("AccessDeniedException"),
        SdkError::construction_failure("no endpoint"),
        canceled(["ValidationError", "None", "None", "None"]),
        canceled(["ItemCollectionSizeLimitExceeded", "None", "None", "None"]),
    ] {
        let outcome = outcome_of(wrong, &purposes());
        assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
    }
}

#[test]
fn whatever_leaves_the_outcome_open_is_looked_up_again() {
    let conflict = TransactionConflictException::builder().build();
    for open in [
        generic("ThrottlingException"),
        generic("ProvisionedThroughputExceededException"),
        generic("TransactionInProgressException"),
        generic("InternalServerError"),
        refused_by(TransactWriteItemsError::unhandled(conflict)),
        SdkError::timeout_error("no answer"),
    ] {
        let outcome = outcome_of(open, &purposes()).expect("it is no defect");
        assert!(matches!(outcome, Outcome::Again(Cause::Unanswered(_))), "{outcome:?}");
    }
}

#[test]
fn a_cancelled_transaction_is_what_its_reasons_say() {
    let of = |codes| outcome_of(canceled(codes), &purposes()).expect("it can be helped");
    let failed = "ConditionalCheckFailed";
    assert!(matches!(of([failed, "None", "None", "None"]), Outcome::Again(Cause::Moved)));
    assert!(matches!(
        of(["None", "None", "None", failed]),
        Outcome::Refused(Rejection::SiteIdTaken)
    ));
    // A used key whose item did not come back: the next look finds it.
    assert!(matches!(of(["None", "None", failed, "None"]), Outcome::Again(Cause::Moved)));
    assert!(matches!(
        of(["None", "ProvisionedThroughputExceeded", "None", "None"]),
        Outcome::Again(Cause::Unanswered(_))
    ));
}
