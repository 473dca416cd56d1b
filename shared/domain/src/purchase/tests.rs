use super::*;

/// `None` where nothing changes; `limited` says whether a stock is involved.
fn after(status: Status, event: usize, limited: bool) -> Option<Status> {
    status.after(&Event::all()[event], limited)
}

#[test]
fn the_whole_machine() {
    use Status::{
        ChargedBack, Created, Expired, Failed, GrantFailed, Pending, Refunded, Succeeded,
    };
    // Pending, Paid, Declined, Canceled, Refunded, ChargedBack
    let back = [Some(Refunded), Some(ChargedBack)];
    let rows = [
        (Created, [Some(Pending), Some(Succeeded), Some(Failed), Some(Expired)], back),
        (Pending, [None, Some(Succeeded), Some(Failed), Some(Expired)], back),
        (Succeeded, [None; 4], back),
        (Failed, [None, Some(Succeeded), None, None], back),
        (Expired, [None, Some(Succeeded), None, None], back),
        (GrantFailed, [None; 4], back),
        (Refunded, [None; 4], [None; 2]),
        (ChargedBack, [None; 4], [None; 2]),
    ];
    assert_eq!(rows.map(|(status, ..)| status), Status::ALL);
    for (status, [pending, paid, declined, canceled], [refunded, charged_back]) in rows {
        let expected = [pending, paid, declined, canceled, refunded, charged_back];
        let found: [_; 6] = std::array::from_fn(|event| after(status, event, false));
        assert_eq!(found, expected, "{status:?}");
        // A stock that went back is not taken again.
        let late = matches!(status, Failed | Expired);
        let expected =
            expected.map(|to| to.map(|to| if late && to == Succeeded { GrantFailed } else { to }));
        let found: [_; 6] = std::array::from_fn(|event| after(status, event, true));
        assert_eq!(found, expected, "{status:?}, limited");
    }
}

/// Every order of every events, each any number of times.
#[test]
fn no_state_is_entered_twice_and_no_kind_of_event_changes_a_purchase_twice() {
    fn walk(status: Status, been: &mut Vec<Status>, told: &mut Vec<Event>, limited: bool) {
        assert!(!been.contains(&status), "{been:?} leads back to {status:?}");
        been.push(status);
        for event in Event::all() {
            if let Some(to) = status.after(&event, limited) {
                assert!(!told.contains(&event), "{event:?} counts twice: {been:?}");
                told.push(event);
                walk(to, been, told, limited);
                told.pop();
            }
        }
        been.pop();
    }
    for limited in [false, true] {
        walk(Status::Created, &mut Vec::new(), &mut Vec::new(), limited);
    }
}

#[test]
fn whatever_comes_first_the_end_is_what_the_money_did() {
    // The provider's news in every order end as if they had come in the true one.
    let stories: [(&[usize], Status); 5] = [
        (&[0, 1], Status::Succeeded),
        (&[0, 2], Status::Failed),
        (&[0, 3], Status::Expired),
        (&[0, 1, 4], Status::Refunded),
        (&[0, 1, 5], Status::ChargedBack),
    ];
    for (events, end) in stories {
        let told = |order: &[usize]| {
            order.iter().fold(Status::Created, |status, event| {
                after(status, *event, false).unwrap_or(status)
            })
        };
        let mut order = events.to_vec();
        // Heap's algorithm, small enough to write out as rotations and swaps.
        for rotation in 0..events.len() {
            order.rotate_left(1);
            assert_eq!(told(&order), end, "{order:?}, rotation {rotation}");
            let mut swapped = order.clone();
            swapped.reverse();
            assert_eq!(told(&swapped), end, "{swapped:?}");
        }
    }
}

#[test]
fn holding_and_open_states_are_left_for_ever() {
    for limited in [false, true] {
        for from in Status::ALL {
            for event in Event::all() {
                let Some(to) = from.after(&event, limited) else { continue };
                assert!(from.holds() || !to.holds(), "{from:?} to {to:?} would hold again");
                let reopened = !from.is_open() && to.is_open();
                assert!(!reopened || to == Status::GrantFailed, "{from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn amounts_stay_in_range() {
    let money = Money { amount_minor: i64::MAX / 2, currency: "KRW".to_owned() };
    assert_eq!(money.times(3), Err(Overflow));
    let granted =
        Granted { gold: Gold::new(5), items: BTreeMap::from([("a".to_owned(), u32::MAX)]) };
    assert_eq!(granted.times(2), Err(Overflow));
    assert_eq!(granted.times(1).unwrap(), granted);
}
