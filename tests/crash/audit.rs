//! What must be true of the books, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use devstack::Stack;
use domain::{Entry, Fact, OnceKey, PlayerId, stats::Stats};
use tests::{
    Answer, Player,
    script::{Command, Kind},
};

use crate::clients::Answers;

/// Everything that happened to one player.
pub struct Journal {
    pub player: PlayerId,
    pub entries: Vec<Entry>,
    /// What the state says.
    gold: i64,
    version: u64,
}

/// The journals in the order of the players.
pub async fn journals(stack: &Stack, players: &[Player]) -> Result<Vec<Journal>> {
    let store = stack.store("auditor");
    let mut journals = Vec::new();
    for player in players {
        let player: PlayerId = player.id.parse()?;
        let state = store.player(store::Subject::system(player)).await?;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let last = entries.last().map_or(0, |entry| entry.seq);
            let page = store.entries_after(player, last, 100).await?;
            if page.is_empty() {
                break;
            }
            entries.extend(page);
        }
        let (gold, version) = (state.gold.units(), state.version);
        journals.push(Journal { player, entries, gold, version });
    }
    Ok(journals)
}

/// No gaps, no key twice, gold out of nowhere never, the state the sum of it all.
pub fn books(journal: &Journal) {
    let mut gold = 0;
    let mut keys = BTreeSet::new();
    let mut days = BTreeSet::new();
    for (entry, seq) in journal.entries.iter().zip(1..) {
        assert_eq!(entry.seq, seq, "a gap in the journal");
        assert_eq!(entry.legs.sum(), 0, "{entry:?}");
        gold += entry.legs.of_player().units();
        assert!(gold >= 0, "{entry:?}");
        assert_eq!(entry.after.gold.units(), gold, "{entry:?}");
        let once = entry.once.as_ref().expect("every command has a key");
        assert!(keys.insert(format!("{:?}", once.key)), "twice: {entry:?}");
        if let Fact::StreakClaimed { day, .. } = &entry.fact {
            assert!(days.insert(*day), "claimed twice: {entry:?}");
        }
    }
    assert_eq!((journal.gold, journal.version), (gold, journal.entries.len() as u64));
}

/// The stored statistics have caught up, and are the fold of the journal.
pub async fn statistics(stack: &Stack, journal: &Journal) -> Result<()> {
    let opened = stack.store("auditor").open(store::Subject::system(journal.player)).await?;
    assert_eq!(opened.stored_seq, journal.version);
    let mut stats = Stats::default();
    journal.entries.iter().for_each(|entry| stats.fold(entry));
    assert_eq!(opened.stats, stats);
    Ok(())
}

/// Every command was applied once, and its answer is the one it was given first.
pub fn answers(commands: &[Command], first: &Answers, retried: &Answers, journals: &[Journal]) {
    let mut applied: Vec<BTreeMap<&str, &Entry>> = Vec::new();
    for journal in journals {
        let by_key = journal.entries.iter().filter_map(|entry| match &entry.once.as_ref()?.key {
            OnceKey::Header(key) => Some((key.as_str(), entry)),
            OnceKey::Anonymous(_) | OnceKey::Natural(_) => None,
        });
        applied.push(by_key.collect());
    }
    for ((command, first), retried) in commands.iter().zip(first).zip(retried) {
        let retried = retried.as_ref().expect("every retry is answered");
        let entry = applied[command.player].remove(command.key.as_str());
        if retried.status == 422 {
            retried.is_problem(422, "insufficient_funds");
            assert!(command.may_lack_gold(), "{command:?}");
            assert!(entry.is_none(), "refused and applied: {command:?}");
            assert!(first.as_ref().is_none_or(|first| first.status == 422), "{command:?}");
            continue;
        }
        let _ = retried.ok();
        let stored = match (&command.kind, entry) {
            (Kind::Claim, None) => {
                let mut entries = journals[command.player].entries.iter();
                entries.find(|entry| {
                    let answer = entry.answer.as_ref().map(|answer| &answer.body);
                    answer == Some(&retried.text)
                })
            }
            (Kind::Claim, Some(_)) => panic!("a claim's key is its day: {command:?}"),
            (_, entry) => entry,
        };
        let stored = stored.unwrap_or_else(|| panic!("answered and not applied: {command:?}"));
        // A login's answer is rendered anew: names and tokens are not kept.
        if command.kind != Kind::LogIn {
            assert_eq!(stored.answer.as_ref().map(|a| a.body.as_str()), Some(&*retried.text));
        }
        if let Some(first) = first.as_ref().filter(|first| first.status == 200) {
            assert_eq!(first.text, retried.text, "{command:?}");
            assert!(retried.is_replayed(), "{command:?}");
        } else if let Some(first) = first {
            first.is_problem(422, "insufficient_funds");
        }
    }
    let strangers: Vec<_> = applied.iter().flatten().collect();
    assert!(strangers.is_empty(), "nobody asked for {strangers:?}");
}

/// One line about a run that went well.
pub fn summary(
    commands: &[Command],
    first: &Answers,
    retried: &Answers,
    journals: &[Journal],
) -> String {
    // Claims apart: any of them after the day's first is a replay.
    let unseen = commands.iter().zip(first).zip(retried).filter(|((command, first), retried)| {
        let answer = first.as_ref().or(retried.as_ref());
        command.kind != Kind::Claim && answer.is_some_and(Answer::is_replayed)
    });
    let refused = retried.iter().flatten().filter(|answer| answer.status == 422);
    format!(
        "{} answered before the last kill, {} committed by a life that could not say so, \
         {} refused, {} entries",
        first.iter().flatten().count(),
        unseen.count(),
        refused.count(),
        journals.iter().map(|journal| journal.entries.len()).sum::<usize>(),
    )
}
