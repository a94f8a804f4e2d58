//! What is captured of each kind of change.

use std::time::Duration;

use rusqlite::types::Value;

use super::fake::{DATABASE, Fake, row};
use crate::{
    cdc::{
        Change,
        capture::{self, ScanFault},
        change_data::lock,
    },
    data::Datum,
};

const ALL: &[&str] = &["id", "code", "name", "large", "old", "twice"];

fn insert(id: i32) -> Change {
    Change::Insert { after: row(id, id * 10, "a") }
}

fn operations(fake: &Fake, instance: &str) -> Vec<i64> {
    fake.changed(instance).iter().map(|c| c.operation).collect()
}

#[test]
fn an_insert_and_a_delete_have_all_bits_and_a_legacy_text_only_in_the_insert() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    fake.run(&[insert(1)]);
    fake.run(&[Change::Delete { before: row(1, 10, "a") }]);
    assert_eq!(fake.scan(500).transactions, 2);
    let rows = fake.changed("dbo_t");
    let values = |old: Value| {
        [Value::Integer(1), Value::Integer(10), Value::Text("a".into()), Value::Blob(b"aa".to_vec()), old, Value::Null]
    };
    assert_eq!((rows[0].operation, rows[0].mask.as_slice()), (2, &[0x3f][..]));
    assert_eq!(rows[0].values, values(Value::Text("old a".into())));
    assert_eq!((rows[1].operation, rows[1].mask.as_slice()), (1, &[0x3f][..]));
    assert_eq!(rows[1].values, values(Value::Null));
    assert!(rows[0].seqval < rows[0].start_lsn && rows[0].start_lsn < rows[1].seqval);
}

#[test]
fn an_update_is_two_rows_that_share_all_but_the_operation() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    let mut after = row(1, 10, "a");
    after[2] = Datum::Text("b".to_owned());
    fake.run(&[Change::Update { before: row(1, 10, "a"), after }]);
    fake.scan(500);
    let rows = fake.changed("dbo_t");
    assert_eq!(operations(&fake, "dbo_t"), [3, 4]);
    assert_eq!(
        (&rows[0].seqval, rows[0].command_id, &rows[0].mask),
        (&rows[1].seqval, rows[1].command_id, &vec![0x04])
    );
    // The large value was not changed: its old image is not kept, its new one is.
    assert_eq!((&rows[0].values[3], &rows[1].values[3]), (&Value::Null, &Value::Blob(b"aa".to_vec())));
}

#[test]
fn a_large_value_that_was_changed_has_both_images_and_a_legacy_one_only_the_new() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    let mut after = row(1, 10, "a");
    after[3] = Datum::Null;
    after[4] = Datum::Text("new".to_owned());
    fake.run(&[Change::Update { before: row(1, 10, "a"), after }]);
    fake.scan(500);
    let rows = fake.changed("dbo_t");
    assert_eq!(rows[0].mask, [0x18]);
    assert_eq!(rows[0].values[3..5], [Value::Blob(b"aa".to_vec()), Value::Null]);
    assert_eq!(rows[1].values[3..5], [Value::Null, Value::Text("new".into())]);
}

#[test]
fn an_update_of_no_captured_column_leaves_no_row() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", &["id", "name"]);
    let mut after = row(1, 10, "a");
    after[3] = Datum::Null;
    fake.run(&[Change::Update { before: row(1, 10, "a"), after }]);
    assert_eq!(fake.scan(500).transactions, 1);
    assert_eq!(operations(&fake, "dbo_t"), [0; 0]);
    assert_eq!(fake.count("SELECT count(*) FROM db5.\"cdc.lsn_time_mapping\""), 1);
}

#[test]
fn an_update_of_keys_is_all_deletes_and_then_all_inserts_that_share_their_seqvals() {
    for part in [100, 2, 1] {
        let mut fake = Fake::new(1);
        fake.enable("dbo_t", ALL);
        let moved = |id: i32| Change::Update { before: row(id, id, "a"), after: row(id + 1, id + 1, "a") };
        fake.begin();
        fake.statement(&(1..=5).map(moved).collect::<Vec<_>>(), part);
        fake.commit();
        fake.scan(500);
        assert_eq!(operations(&fake, "dbo_t"), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2], "in parts of {part}");
        let rows = fake.changed("dbo_t");
        let commands: Vec<i64> = rows.iter().map(|r| r.command_id).collect();
        assert_eq!(commands, (1..=10).collect::<Vec<_>>());
        for (delete, insert) in rows.iter().zip(&rows[5..]) {
            assert_eq!(delete.seqval, insert.seqval);
        }
    }
}

#[test]
fn a_rollback_leaves_no_trace_and_one_to_a_savepoint_none_of_what_followed_it() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    fake.begin();
    fake.statement(&[insert(1)], 1);
    fake.roll_back();
    fake.begin();
    fake.sqlite("SAVEPOINT s");
    fake.statement(&[insert(2)], 1);
    fake.sqlite("ROLLBACK TO s");
    fake.commit();
    assert_eq!(fake.scan(500).transactions, 0);
    fake.begin();
    fake.statement(&[insert(3)], 1);
    fake.sqlite("SAVEPOINT s");
    fake.statement(&[insert(4)], 1);
    fake.sqlite("ROLLBACK TO s");
    fake.statement(&[insert(5)], 1);
    fake.commit();
    assert_eq!(fake.scan(500).transactions, 1);
    let ids: Vec<_> = fake.changed("dbo_t").into_iter().map(|r| r.values[0].clone()).collect();
    assert_eq!(ids, [Value::Integer(3), Value::Integer(5)]);
}

#[test]
fn an_instance_has_what_was_changed_since_it_was_made() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", &["id"]);
    fake.run(&[insert(1)]);
    fake.enable("dbo_t_v2", &["id", "name"]);
    fake.run(&[insert(2)]);
    let scan = fake.scan(500);
    assert_eq!((scan.transactions, scan.commands), (2, 3));
    assert_eq!((fake.changed("dbo_t").len(), fake.changed("dbo_t_v2").len()), (2, 1));
}

#[test]
fn a_scan_captures_no_more_transactions_than_it_may() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    for id in 1..=5 {
        fake.run(&[insert(id)]);
    }
    let counts: Vec<u64> = (0..4).map(|_| fake.scan(2).transactions).collect();
    assert_eq!(counts, [2, 2, 1, 0]);
    assert_eq!(fake.changed("dbo_t").len(), 5);
}

#[test]
fn a_scan_that_fails_leaves_nothing_and_the_next_captures_it_all() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    fake.run(&[insert(1)]);
    let failed = capture::scan(&fake, 500, &ScanFault { fail: true, ..ScanFault::default() });
    assert_eq!(failed.map_err(|e| e.number), Err(22859));
    assert_eq!(fake.changed("dbo_t").len(), 0);
    assert_eq!(fake.scan(500).transactions, 1);
    assert_eq!(fake.changed("dbo_t").len(), 1);
}

#[test]
fn numbers_go_on_after_a_restart_and_nothing_is_captured_twice() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    fake.run(&[insert(1)]);
    fake.scan(500);
    fake.sqlite("DELETE FROM db5.standin_cdc_log");
    fake.open();
    fake.run(&[insert(2)]);
    fake.scan(500);
    let rows = fake.changed("dbo_t");
    assert_eq!(rows.len(), 2);
    assert!(rows[1].seqval > rows[0].start_lsn);
}

#[test]
fn the_largest_number_moves_on_without_changes_only_when_nothing_waits() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    fake.run(&[insert(1)]);
    let database = fake.changes.database(DATABASE).unwrap();
    let lsn = lock(&database.log).idle().unwrap();
    let now = fake.clock.local_datetime();
    assert_eq!(capture::idle(&fake, lsn, now), Ok(false), "the insert is not yet captured");
    fake.scan(500);
    let lsn = lock(&database.log).idle().unwrap();
    assert_eq!(capture::idle(&fake, lsn, now), Ok(true));
    assert_eq!(fake.count("SELECT count(*) FROM db5.\"cdc.lsn_time_mapping\" WHERE tran_id = x'00'"), 1);
    fake.begin();
    fake.statement(&[insert(2)], 1);
    fake.changes
        .committing(&crate::cdc::LogPoint {
            connection: crate::cdc::System::connection(&fake),
            database: DATABASE,
            transaction: 2,
            command: 1,
        })
        .unwrap();
    assert_eq!(lock(&database.log).idle(), None, "a commit is on its way");
}

#[test]
fn a_large_value_over_the_limit_fails_its_statement_unless_it_was_there_before() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    fake.changes.set_max_text_repl_size(100);
    let mut large = row(1, 1, "a");
    large[3] = Datum::Bytes(vec![0; 101]);
    fake.begin();
    let outcome = fake.try_statement(&[Change::Insert { after: large.clone() }], 1);
    assert_eq!(outcome.map_err(|e| e.number), Err(7139));
    let mut after = large.clone();
    after[2] = Datum::Null;
    assert_eq!(fake.try_statement(&[Change::Update { before: large.clone(), after }], 1), Ok(()));
    fake.changes.set_max_text_repl_size(-1);
    assert_eq!(fake.try_statement(&[Change::Insert { after: large }], 1), Ok(()));
    fake.roll_back();
}

#[test]
fn times_are_those_of_begin_and_commit() {
    let mut fake = Fake::new(1);
    fake.enable("dbo_t", ALL);
    fake.begin();
    fake.statement(&[insert(1)], 1);
    fake.clock.advance(Duration::from_secs(2));
    fake.commit();
    fake.scan(500);
    let query = "SELECT tran_end_time - tran_begin_time FROM db5.\"cdc.lsn_time_mapping\"";
    assert_eq!(fake.count(query), 600);
}

#[test]
fn without_an_engine_a_scan_is_an_error_and_no_panic() {
    let fake = Fake::new(1);
    assert_eq!(super::fake::scan_without_engine(&fake).map_err(|e| e.number), Err(17142));
}
