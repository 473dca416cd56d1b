//! What operators do about records that could not be published.

use super::{NOON, accounts::moves_no_gold, ctx, player};
use crate::{
    Change, DeadLetterId, Fact, Legs, Plan, PlayerId,
    command::replay_dead_letter::decide,
    dead_letter::{DeadLetter, TRIES},
};

#[test]
fn a_replay_is_on_the_operators_journal_says_whose_entry_it_was_and_ends_the_letter() {
    let (operator, ctx) = (player(7), ctx(NOON));
    let mut of = player(3);
    of.id = PlayerId::from_bytes([9; 16]);
    let renamed = Plan::new(&of, &ctx, Fact::PlayerRenamed {}, Legs::none()).expect("a plan");
    let entry = renamed.entry();
    let letter = DeadLetter {
        id: DeadLetterId::of("{}", ctx.now),
        record: None,
        reason: "not readable".to_owned(),
        tries: TRIES,
        given_up_at: ctx.now,
        payload: "{}".to_owned(),
    };
    let plan = decide(&operator, &letter, entry, "mended", &ctx).expect("a plan");
    moves_no_gold(&operator, &plan);
    let fact = Fact::DeadLetterReplayed {
        letter: letter.id,
        player: of.id,
        seq: entry.seq,
        reason: "mended".to_owned(),
    };
    assert_eq!((&plan.entry().fact, plan.player()), (&fact, operator.id));
    assert_eq!(plan.changes(), [Change::EndDeadLetter { id: letter.id }]);
}
