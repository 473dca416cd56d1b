//! Addresses and devices: what is remembered, and what the player is told.

use super::{NOON, ctx, known, player};
use crate::{
    Change, Device, Devices, Email, EmailAddress, EmailChange, Fact, Player, Rejection,
    command::{change_email, log_in},
};

fn address() -> EmailAddress {
    EmailAddress::new("jimin@example.com".to_owned())
}

fn email(requested_by: u64) -> Email {
    let confirm_until = "2026-11-22T12:00:00Z".parse().expect("an instant");
    Email { address: address(), requested_by, confirm_until }
}

#[test]
fn an_address_waits_for_a_day_and_no_entry_holds_it() {
    let plan = change_email::request(&player(7), address(), 1, &ctx(NOON)).expect("the password");
    let change = EmailChange::Requested;
    assert_eq!(plan.entry().fact, Fact::EmailChanged { change });
    assert_eq!(plan.changes(), [Change::StorePendingEmail { email: email(5) }]);
    let kept = serde_json::to_string(&(plan.entry(), plan.after())).expect("JSON");
    assert!(!kept.contains("example.com"), "{kept}");
    assert!(!format!("{plan:?}").contains("example.com"));
}

#[test]
fn an_address_is_given_with_the_password_that_is_still_good() {
    for (password_seq, set_by, expected) in [
        (1, 1, Ok(())),
        (3, 1, Err(Rejection::PasswordMoved)),
        (1, 3, Err(Rejection::PasswordMoved)),
        // Erased meanwhile.
        (0, 1, Err(Rejection::PasswordMoved)),
    ] {
        let before = Player { password_seq, ..player(7) };
        let decided = change_email::request(&before, address(), set_by, &ctx(NOON));
        assert_eq!(decided.map(drop), expected, "{set_by} for {password_seq}");
    }
}

#[test]
fn an_address_is_confirmed_until_its_time_is_over_and_once() {
    let confirm = |now| change_email::confirm(&player(7), &email(5), &ctx(now));
    let plan = confirm("2026-11-22T11:59:59Z").expect("in time");
    assert_eq!(plan.entry().fact, Fact::EmailChanged { change: EmailChange::Confirmed });
    let changes =
        [Change::TakePendingEmail { requested_by: 5 }, Change::StoreEmail { email: email(5) }];
    assert_eq!(plan.changes(), changes);
    let late = confirm("2026-11-22T12:00:00Z").map(drop);
    assert_eq!(late, Err(Rejection::EmailNotPending));
}

#[test]
fn an_address_and_the_one_that_waits_go_together() {
    let plan = change_email::remove(&player(7), &ctx(NOON)).expect("never refused");
    assert_eq!(plan.entry().fact, Fact::EmailChanged { change: EmailChange::Removed });
    assert_eq!(plan.changes(), [Change::DropEmail, Change::DropPendingEmail]);
}

#[test]
fn a_device_is_new_once_unless_it_is_the_first() {
    let device = |number: u8| Device([number; 8]);
    let seen = |numbers: &[u8]| {
        numbers.iter().fold(Devices::default(), |all, number| all.with(device(*number)))
    };
    for (before, device, new, after) in [
        (seen(&[1]), vec![device(1)], false, None),
        (seen(&[1]), vec![device(2)], true, Some(seen(&[1, 2]))),
        // Nobody knows what the player had before.
        (seen(&[]), vec![device(1)], false, Some(seen(&[1]))),
        // Known by the key of before.
        (seen(&[1, 3]), vec![device(2), device(3)], false, None),
        (seen(&[1, 3]), vec![device(2), device(4)], true, Some(seen(&[1, 3, 2]))),
        (
            seen(&[1, 2, 3, 4, 5, 6, 7, 8]),
            vec![device(9)],
            true,
            Some(seen(&[2, 3, 4, 5, 6, 7, 8, 9])),
        ),
        // The product's own logins come from nowhere.
        (seen(&[1]), vec![], false, None),
    ] {
        let mut command = known();
        command.credential.devices = before;
        command.device = device;
        let plan = log_in::decide(&player(7), &command, &ctx(NOON)).expect("the password");
        let Fact::PlayerLoggedIn { new_device, .. } = plan.entry().fact else { panic!("{plan:?}") };
        let mut stored = plan.changes().iter().map(|change| match change {
            Change::StoreCredential { credential } => credential.devices.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!((new_device, stored.next_back()), (new, after), "{command:?}");
    }
}
