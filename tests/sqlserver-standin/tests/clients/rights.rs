//! Who may read what is captured.

use sqlserver_standin::Standin;

use crate::connection::{Caller, Connection, number, run, shop};

const CHANGES: &str = "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(sys.fn_cdc_get_min_lsn('dbo_t'), \
                       sys.fn_cdc_get_max_lsn(), N'all')";

async fn reader(standin: &Standin) -> Connection {
    let reader = Caller { user: "reader", password: "Reader-1!", database: "shop", ..Caller::administrator(standin) };
    reader.connect(standin).await.unwrap()
}

/// `dbo.t` is captured behind role `auditors`; `reader` is a user of the database.
async fn gated() -> (Standin, Connection) {
    let (standin, mut owner) = shop().await;
    for sql in [
        "CREATE LOGIN reader WITH PASSWORD = 'Reader-1!'",
        "CREATE USER reader FOR LOGIN reader",
        "CREATE ROLE auditors",
        "EXEC sys.sp_cdc_enable_db",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = N'auditors'",
        "INSERT INTO dbo.t VALUES (4)",
        "EXEC sys.sp_cdc_scan",
    ] {
        run(&mut owner, sql).await.unwrap();
    }
    (standin, owner)
}

#[tokio::test]
async fn changes_are_for_members_of_the_gating_role_who_may_read_the_table() {
    let (standin, mut owner) = gated().await;
    let mut reader = reader(&standin).await;
    assert_eq!(number(run(&mut reader, CHANGES).await), 229, "neither role nor right");
    run(&mut owner, "ALTER ROLE auditors ADD MEMBER reader").await.unwrap();
    assert_eq!(number(run(&mut reader, CHANGES).await), 229, "no right on the table's columns");
    run(&mut owner, "GRANT SELECT ON dbo.t TO reader").await.unwrap();
    assert_eq!(run(&mut reader, CHANGES).await.unwrap()[0].len(), 1);
    run(&mut owner, "ALTER ROLE auditors DROP MEMBER reader").await.unwrap();
    assert_eq!(number(run(&mut reader, CHANGES).await), 229, "the right alone is not enough");
}

#[tokio::test]
async fn who_may_not_read_the_source_is_told_of_no_instance() {
    let (standin, _owner) = gated().await;
    let mut reader = reader(&standin).await;
    let rows = run(&mut reader, "EXEC sys.sp_cdc_help_change_data_capture").await.unwrap();
    assert!(rows.iter().all(Vec::is_empty), "{rows:?}");
    assert_eq!(number(run(&mut reader, "EXEC sys.sp_cdc_disable_db").await), 22902);
    assert_eq!(number(run(&mut reader, "SELECT * FROM dbo.t").await), 229);
}

#[tokio::test]
async fn jobs_are_for_who_may_read_them_in_msdb() {
    const JOBS: &str = "SELECT job_type FROM msdb.dbo.cdc_jobs";
    let (standin, mut owner) = gated().await;
    let mut reader = reader(&standin).await;
    assert_eq!(run(&mut owner, JOBS).await.unwrap()[0].len(), 2);
    assert_eq!(number(run(&mut reader, JOBS).await), 229);
    for sql in ["USE msdb", "CREATE USER reader FOR LOGIN reader", "GRANT SELECT ON dbo.cdc_jobs TO reader"] {
        run(&mut owner, sql).await.unwrap();
    }
    assert_eq!(run(&mut reader, JOBS).await.unwrap()[0].len(), 2);
}
