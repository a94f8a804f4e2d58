//! Scans: what is seen when.

use std::time::{Duration, Instant};

use sqlserver_standin::{Capture, Standin, data::Datum};

use crate::shop::{Shop, int};

#[test]
fn changes_are_there_after_a_scan_and_only_what_was_committed() {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', NULL)");
    assert_eq!(shop.operations("dbo_t"), [0; 0]);
    shop.run("BEGIN TRANSACTION; INSERT INTO dbo.t VALUES (2, 'b', NULL)");
    shop.run("SAVE TRANSACTION s; INSERT INTO dbo.t VALUES (3, 'c', NULL); ROLLBACK TRANSACTION s");
    shop.run("COMMIT");
    shop.run("BEGIN TRANSACTION; INSERT INTO dbo.t VALUES (4, 'd', NULL); ROLLBACK");
    shop.run("EXEC sys.sp_cdc_scan");
    assert_eq!(shop.operations("dbo_t"), [2, 2]);
    assert_eq!(int(shop.value("SELECT SUM(id) FROM cdc.dbo_t_CT")), 3);
}

#[test]
fn a_statement_that_fails_leaves_nothing_in_the_log() {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', NULL)");
    assert_eq!(shop.error("INSERT INTO dbo.t VALUES (2, 'b', NULL), (1, 'twice', NULL)"), 2627);
    assert_eq!(shop.scan(), 1);
    assert_eq!(shop.operations("dbo_t"), [2]);
}

#[test]
fn moved_keys_are_deletes_and_then_inserts() {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'c', NULL)");
    shop.run("UPDATE dbo.t SET id = id + 1");
    shop.scan();
    assert_eq!(shop.operations("dbo_t"), [2, 2, 2, 1, 1, 1, 2, 2, 2]);
    let commands = shop.query("SELECT __$command_id FROM cdc.dbo_t_CT ORDER BY __$start_lsn, __$command_id");
    let commands: Vec<i32> = commands.into_iter().flatten().map(int).collect();
    assert_eq!(commands, [1, 2, 3, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_large_value_over_the_limit_is_error_7139() {
    let mut shop = Shop::with_table();
    assert_eq!(shop.error("INSERT INTO dbo.t VALUES (1, 'a', REPLICATE(CAST(N'x' AS nvarchar(max)), 70000))"), 7139);
    shop.standin.set_max_text_repl_size(-1);
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', REPLICATE(CAST(N'x' AS nvarchar(max)), 70000))");
    shop.scan();
    assert_eq!(shop.value("SELECT LEN(note) FROM cdc.dbo_t_CT"), Datum::BigInt(70000));
}

#[test]
fn an_idle_server_moves_the_largest_number_on() {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', NULL)");
    shop.scan();
    let before = shop.value("SELECT sys.fn_cdc_get_max_lsn()");
    shop.standin.clock().advance(Duration::from_secs(299));
    shop.scan();
    assert_eq!(shop.value("SELECT sys.fn_cdc_get_max_lsn()"), before);
    shop.standin.clock().advance(Duration::from_secs(2));
    shop.scan();
    assert_ne!(shop.value("SELECT sys.fn_cdc_get_max_lsn()"), before);
    assert_eq!(int(shop.value("SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id = 0x00")), 1);
    assert_eq!(
        shop.query("SELECT TOP 1 start_lsn FROM sys.dm_cdc_log_scan_sessions ORDER BY session_id DESC"),
        [[Datum::Text("00000000:00000000:0000\0".to_owned())]]
    );
}

#[test]
fn the_agent_captures_by_itself_also_after_a_restart_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let capture = Capture::Every(Duration::from_millis(5));
        Standin::builder().capture(capture).folder(folder.path()).start().unwrap()
    };
    let wait_for = |standin: &Standin, count: i32| {
        let mut session = standin.local("shop").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while session.query("SELECT COUNT(*) FROM cdc.dbo_t_CT").unwrap() != [[Datum::Int(count)]] {
            assert!(Instant::now() < deadline, "{count} changes are not captured");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let standin = start();
    standin.local("master").unwrap().run("CREATE DATABASE shop").unwrap();
    let mut session = standin.local("shop").unwrap();
    for sql in [
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', @role_name = NULL",
        "INSERT INTO dbo.t VALUES (1)",
    ] {
        session.run(sql).unwrap();
    }
    wait_for(&standin, 1);
    drop((session, standin));
    let standin = start();
    standin.local("shop").unwrap().run("INSERT INTO dbo.t VALUES (2)").unwrap();
    wait_for(&standin, 2);
}
