//! Random workloads against a model: whatever is changed, rolled back and scanned, replaying the change table in order
//! gives the table as it was at each commit.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::types::Value;

use super::fake::{Captured, Fake, row};
use crate::{cdc::Change, data::Datum};

/// Rows by key: the code and the name.
type Table = BTreeMap<i32, (i32, String)>;

#[derive(Debug, Clone)]
enum Action {
    Insert(Vec<i32>),
    /// Deletes the rows whose key divided by the first leaves the second.
    Delete(i32, i32),
    Rename(i32, i32, String),
    /// Adds to the key of these rows, all in one statement, logged in parts.
    Move(i32, usize),
    Savepoint,
    RollBackToSavepoint,
}

#[derive(Debug, Clone)]
struct Transaction {
    actions: Vec<Action>,
    commit: bool,
    /// Scans after it, of at most so many transactions.
    scan: Option<u32>,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => prop::collection::vec(0..40, 1..5).prop_map(Action::Insert),
        2 => (1..5, 0..5).prop_map(|(by, rest)| Action::Delete(by, rest)),
        3 => (1..5, 0..5, "[a-c]{0,3}").prop_map(|(by, rest, name)| Action::Rename(by, rest, name)),
        2 => (prop_oneof![-3..0, 1..4], 1_usize..9).prop_map(|(by, part)| Action::Move(by, part)),
        1 => Just(Action::Savepoint),
        1 => Just(Action::RollBackToSavepoint),
    ]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    (prop::collection::vec(action(), 1..6), prop::bool::weighted(0.8), prop::option::of(1_u32..4))
        .prop_map(|(actions, commit, scan)| Transaction { actions, commit, scan })
}

fn stored(id: i32, (code, name): &(i32, String)) -> Vec<Datum> {
    row(id, *code, name)
}

/// What an action changes of the table; it is changed in the model.
fn changes(table: &mut Table, action: &Action) -> (Vec<Change>, usize) {
    let mut changes = Vec::new();
    let mut part = usize::MAX;
    match action {
        Action::Insert(ids) => {
            for &id in ids {
                let free = 1000 + id;
                if !table.contains_key(&id) && !table.values().any(|(code, _)| *code == free) {
                    let value = (free, format!("n{id}"));
                    changes.push(Change::Insert { after: stored(id, &value) });
                    table.insert(id, value);
                }
            }
        }
        Action::Delete(by, rest) => table.retain(|id, value| {
            let goes = id.rem_euclid(*by) == *rest;
            if goes {
                changes.push(Change::Delete { before: stored(*id, value) });
            }
            !goes
        }),
        Action::Rename(by, rest, name) => {
            for (id, value) in table.iter_mut().filter(|(id, _)| id.rem_euclid(*by) == *rest) {
                let before = stored(*id, value);
                value.1.clone_from(name);
                changes.push(Change::Update { before, after: stored(*id, value) });
            }
        }
        Action::Move(by, size) => {
            part = *size;
            let moved: Table = table.iter().map(|(id, value)| (id + by, value.clone())).collect();
            for (id, value) in &*table {
                changes.push(Change::Update { before: stored(*id, value), after: stored(id + by, value) });
            }
            *table = moved;
        }
        Action::Savepoint | Action::RollBackToSavepoint => {}
    }
    (changes, part)
}

/// Runs the workload; the table after each commit that changed it in the log.
fn run(fake: &mut Fake, transactions: &[Transaction]) -> Vec<Table> {
    let mut table = Table::new();
    let mut commits = Vec::new();
    for transaction in transactions {
        let before = table.clone();
        let mut logged = 0;
        let mut savepoint: Option<(Table, usize)> = None;
        fake.begin();
        for action in &transaction.actions {
            match action {
                Action::Savepoint => {
                    if savepoint.is_none() {
                        fake.sqlite("SAVEPOINT s");
                        savepoint = Some((table.clone(), logged));
                    }
                }
                Action::RollBackToSavepoint => {
                    if let Some((then, count)) = &savepoint {
                        fake.sqlite("ROLLBACK TO s");
                        table.clone_from(then);
                        logged = *count;
                    }
                }
                action => {
                    let (changes, part) = changes(&mut table, action);
                    logged += changes.len();
                    if !changes.is_empty() {
                        fake.statement(&changes, part);
                    }
                }
            }
        }
        if transaction.commit {
            fake.commit();
            if logged > 0 {
                commits.push(table.clone());
            }
        } else {
            fake.roll_back();
            table = before;
        }
        if let Some(limit) = transaction.scan {
            fake.scan(limit);
        }
    }
    while fake.scan(7).transactions > 0 {}
    commits
}

/// Applies a captured row; it must fit.
fn apply(table: &mut Table, change: &Captured) {
    let [Value::Integer(id), Value::Integer(code), Value::Text(name)] = &change.values[..] else {
        panic!("not the captured columns: {change:?}");
    };
    let (id, value) = (i32::try_from(*id).unwrap(), (i32::try_from(*code).unwrap(), name.clone()));
    match change.operation {
        1 | 3 => assert_eq!(table.remove(&id), Some(value), "{change:?} removes what is there"),
        _ => assert_eq!(table.insert(id, value), None, "{change:?} adds what is not there"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn replaying_the_changes_gives_the_table_at_each_commit(
        transactions in prop::collection::vec(transaction(), 1..20),
        seed in any::<u64>(),
    ) {
        let mut fake = Fake::new(seed);
        fake.enable("dbo_t", &["id", "code", "name"]);
        let commits = run(&mut fake, &transactions);
        let rows = fake.changed("dbo_t");
        let lsns = fake.commits();
        prop_assert_eq!(lsns.len(), commits.len());
        let mut replayed = Table::new();
        for (lsn, table) in lsns.iter().zip(&commits) {
            rows.iter().filter(|row| row.start_lsn == *lsn).for_each(|change| apply(&mut replayed, change));
            prop_assert_eq!(&replayed, table);
        }
        prop_assert!(rows.iter().all(|row| lsns.contains(&row.start_lsn)));
        for pair in rows.windows(2) {
            prop_assert!(pair[0].start_lsn <= pair[1].start_lsn);
            prop_assert!(pair[0].start_lsn == pair[1].start_lsn || pair[0].start_lsn < pair[1].seqval);
        }
        prop_assert!(rows.iter().all(|r| r.seqval < r.start_lsn));
    }
}
