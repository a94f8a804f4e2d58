//! Random SQL against a model, through the engine: whatever is changed, rolled back, scanned and cleaned up, replaying the
//! change tables gives the tables as they were at each commit that is not cleaned up, all tables at the same one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use sqlserver_standin::data::Datum;

use crate::shop::{Shop, int};

type Table = BTreeMap<i32, String>;
type Tables = [Table; 2];

#[derive(Debug, Clone)]
enum Statement {
    Insert(usize, i32),
    Delete(usize, i32),
    Rename(usize, i32, char),
    Move(usize, i32),
    Savepoint,
    RollBackToSavepoint,
}

#[derive(Debug, Clone)]
struct Transaction {
    statements: Vec<Statement>,
    commit: bool,
    scan: bool,
    /// After a scan: which table's changes are cleaned up, below which of the known commits.
    cleanup: Option<(usize, Index)>,
}

/// What was done: the tables after each commit, and for each table the first commit that was not cleaned up.
#[derive(Default)]
struct History {
    commits: Vec<Tables>,
    low: [usize; 2],
}

fn statement() -> impl Strategy<Value = Statement> {
    prop_oneof![
        4 => (0..2_usize, 0..20).prop_map(|(t, id)| Statement::Insert(t, id)),
        2 => (0..2_usize, 1..4).prop_map(|(t, by)| Statement::Delete(t, by)),
        3 => (0..2_usize, 1..4, prop::char::range('a', 'c')).prop_map(|(t, by, c)| Statement::Rename(t, by, c)),
        2 => (0..2_usize, prop_oneof![-2..0, 1..3]).prop_map(|(t, by)| Statement::Move(t, by)),
        1 => Just(Statement::Savepoint),
        1 => Just(Statement::RollBackToSavepoint),
    ]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let cleanup = prop::option::weighted(0.3, (0..2_usize, any::<Index>()));
    (prop::collection::vec(statement(), 1..5), prop::bool::weighted(0.8), any::<bool>(), cleanup)
        .prop_map(|(statements, commit, scan, cleanup)| Transaction { statements, commit, scan, cleanup })
}

fn run(shop: &mut Shop, transactions: &[Transaction]) -> History {
    let mut tables = Tables::default();
    let mut history = History::default();
    for transaction in transactions {
        let before = tables.clone();
        let mut savepoint: Option<(Tables, bool)> = None;
        let mut wrote = false;
        shop.run("BEGIN TRANSACTION");
        for statement in &transaction.statements {
            match statement {
                Statement::Insert(t, id) => {
                    if !tables[*t].contains_key(id) {
                        shop.run(&format!("INSERT INTO dbo.t{t} VALUES ({id}, 'new')"));
                        tables[*t].insert(*id, "new".to_owned());
                        wrote = true;
                    }
                }
                Statement::Delete(t, by) => {
                    shop.run(&format!("DELETE FROM dbo.t{t} WHERE id % {by} = 0"));
                    let count = tables[*t].len();
                    tables[*t].retain(|id, _| id % by != 0);
                    wrote |= tables[*t].len() != count;
                }
                Statement::Rename(t, by, name) => {
                    shop.run(&format!("UPDATE dbo.t{t} SET name = '{name}' WHERE id % {by} = 0"));
                    for (_, value) in tables[*t].iter_mut().filter(|(id, _)| *id % by == 0) {
                        *value = name.to_string();
                        wrote = true;
                    }
                }
                Statement::Move(t, by) => {
                    shop.run(&format!("UPDATE dbo.t{t} SET id = id + {by}"));
                    wrote |= !tables[*t].is_empty();
                    tables[*t] = tables[*t].iter().map(|(id, name)| (id + by, name.clone())).collect();
                }
                Statement::Savepoint => {
                    if savepoint.is_none() {
                        shop.run("SAVE TRANSACTION s");
                        savepoint = Some((tables.clone(), wrote));
                    }
                }
                Statement::RollBackToSavepoint => {
                    if let Some((then, had)) = &savepoint {
                        shop.run("ROLLBACK TRANSACTION s");
                        tables.clone_from(then);
                        wrote = *had;
                    }
                }
            }
        }
        if transaction.commit {
            shop.run("COMMIT TRANSACTION");
            if wrote {
                history.commits.push(tables.clone());
            }
        } else {
            shop.run("ROLLBACK TRANSACTION");
            tables = before;
        }
        if transaction.scan {
            shop.scan();
            if let Some((table, index)) = &transaction.cleanup {
                clean_up(shop, &mut history, *table, index);
            }
        }
    }
    shop.scan();
    history
}

fn commit_lsns(shop: &mut Shop) -> Vec<Datum> {
    shop.query("SELECT start_lsn FROM cdc.lsn_time_mapping ORDER BY start_lsn").into_iter().flatten().collect()
}

fn clean_up(shop: &mut Shop, history: &mut History, table: usize, index: &Index) {
    let known = commit_lsns(shop);
    if known.is_empty() {
        return;
    }
    let at = index.index(known.len());
    let Datum::Bytes(mark) = &known[at] else { panic!("no LSN: {:?}", known[at]) };
    let mark: String = mark.iter().map(|byte| format!("{byte:02X}")).collect();
    shop.run(&format!("EXEC sys.sp_cdc_cleanup_change_table N'dbo_t{table}', 0x{mark}, 2"));
    let first = history.low.into_iter().min().unwrap_or_default();
    history.low[table] = history.low[table].max(first + at);
}

fn apply(table: &mut Table, row: &[Datum]) {
    let [_, Datum::Int(operation), Datum::Int(id), Datum::Text(name)] = row else { panic!("not a change: {row:?}") };
    match operation {
        1 | 3 => assert_eq!(table.remove(id).as_ref(), Some(name), "{row:?} removes what is there"),
        _ => assert_eq!(table.insert(*id, name.clone()), None, "{row:?} adds what is not there"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn replaying_the_changes_gives_the_tables_at_each_commit_that_is_kept(transactions in prop::collection::vec(transaction(), 1..12)) {
        let mut shop = Shop::new();
        for t in 0..2 {
            shop.run(&format!("CREATE TABLE dbo.t{t} (id int NOT NULL PRIMARY KEY, name varchar(20) NOT NULL)"));
            shop.enable(&format!("t{t}"));
        }
        let History { commits, low } = run(&mut shop, &transactions);
        let first = low.into_iter().min().unwrap();
        let lsns = commit_lsns(&mut shop);
        prop_assert_eq!(lsns.len(), commits.len() - first);
        for (t, low) in low.into_iter().enumerate() {
            let rows = shop.query(&format!(
                "SELECT __$start_lsn, __$operation, id, name FROM cdc.dbo_t{t}_CT \
                 ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation"
            ));
            let kept = &lsns[low - first..];
            prop_assert!(rows.iter().all(|row| kept.contains(&row[0])), "a change below the low end is there");
            let mut replayed = if low == 0 { Table::default() } else { commits[low - 1][t].clone() };
            for (lsn, tables) in kept.iter().zip(&commits[low..]) {
                rows.iter().filter(|row| row[0] == *lsn).for_each(|row| apply(&mut replayed, row));
                prop_assert_eq!(&replayed, &tables[t]);
            }
        }
        let left = int(shop.value("SELECT COUNT(*) FROM dbo.t0")) + int(shop.value("SELECT COUNT(*) FROM dbo.t1"));
        prop_assert_eq!(usize::try_from(left).unwrap(), commits.last().map_or(0, |t| t[0].len() + t[1].len()));
    }
}
