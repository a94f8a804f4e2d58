//! Enabling and disabling.

use sqlserver_standin::data::Datum;

use crate::shop::{Shop, int, text};

#[test]
fn a_database_is_enabled_once_and_says_so() {
    let mut shop = Shop::new();
    assert_eq!(shop.value("SELECT is_cdc_enabled FROM sys.databases WHERE name = N'shop'"), Datum::Bit(true));
    assert_eq!(shop.value("SELECT is_cdc_enabled FROM sys.databases WHERE name = N'master'"), Datum::Bit(false));
    shop.run("EXEC sys.sp_cdc_enable_db");
    assert_eq!(shop.error("USE master; EXEC sys.sp_cdc_enable_db"), 22989);
}

#[test]
fn a_schema_of_that_name_is_in_the_way() {
    let mut shop = Shop::new();
    shop.run("USE master; CREATE DATABASE other; ");
    shop.run("USE other");
    shop.run("CREATE SCHEMA cdc");
    assert_eq!(shop.error("EXEC sys.sp_cdc_enable_db"), 22906);
}

#[test]
fn procedures_of_a_database_that_is_not_enabled_say_so() {
    let mut shop = Shop::new();
    shop.run("USE master");
    shop.run("CREATE DATABASE plain");
    shop.run("USE plain");
    for procedure in ["sp_cdc_help_change_data_capture", "sp_cdc_help_jobs", "sp_cdc_scan"] {
        assert_eq!(shop.error(&format!("EXEC sys.{procedure}")), 22901, "{procedure}");
    }
    assert_eq!(shop.error("SELECT sys.fn_cdc_get_max_lsn()"), 208);
}

#[test]
fn a_change_table_has_its_columns_in_front_the_captured_ones_nullable_and_the_command_last() {
    let mut shop = Shop::with_table();
    let rows = shop.query(
        "SELECT c.name, TYPE_NAME(c.system_type_id), c.is_nullable FROM sys.columns c \
         WHERE c.object_id = OBJECT_ID(N'cdc.dbo_t_CT') ORDER BY c.column_id",
    );
    let expected = [
        ("__$start_lsn", "binary", false),
        ("__$end_lsn", "binary", true),
        ("__$seqval", "binary", false),
        ("__$operation", "int", false),
        ("__$update_mask", "varbinary", true),
        ("id", "int", true),
        ("name", "varchar", true),
        ("note", "nvarchar", true),
        ("__$command_id", "int", true),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(name, kind, null)| vec![text(name), text(kind), Datum::Bit(*null)]).collect();
    assert_eq!(rows, expected);
    assert_eq!(shop.value("SELECT is_tracked_by_cdc FROM sys.tables WHERE name = N't'"), Datum::Bit(true));
}

#[test]
fn what_is_captured_is_told() {
    let mut shop = Shop::with_table();
    let rows = shop.query("EXEC sys.sp_cdc_help_change_data_capture @source_schema = N'dbo', @source_name = N't'");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][..3], [text("dbo"), text("t"), text("dbo_t")]);
    assert_eq!(
        (&rows[0][7], &rows[0][13], &rows[0][14]),
        (&Datum::Bit(true), &text("[id]"), &text("[id], [name], [note]"))
    );
    let columns = shop.query("EXEC sys.sp_cdc_get_captured_columns @capture_instance = N'dbo_t'");
    assert_eq!(columns.len(), 3);
    assert_eq!(columns[2][3..7], [text("note"), Datum::Int(3), Datum::Int(3), text("nvarchar")]);
    assert_eq!(shop.error("EXEC sys.sp_cdc_get_captured_columns @capture_instance = N'none'"), 22981);
    assert_eq!(shop.error("EXEC sys.sp_cdc_help_change_data_capture @source_schema = N'dbo'"), 22972);
}

#[test]
fn what_cannot_be_captured_is_refused() {
    let mut shop = Shop::with_table();
    shop.run("CREATE TABLE dbo.keyless (a int NULL, b int NULL)");
    let enable = |rest: &str| format!("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', {rest}");
    for (rest, number) in [
        ("@source_name = N'missing', @role_name = NULL", 22931),
        ("@source_name = N't'", 201),
        ("@source_name = N't', @role_name = N''", 22907),
        ("@source_name = N't', @role_name = NULL", 22926),
        ("@source_name = N'keyless', @role_name = NULL, @supports_net_changes = 1", 22939),
        ("@source_name = N'keyless', @role_name = NULL, @index_name = N'none'", 22928),
        ("@source_name = N'keyless', @role_name = NULL, @captured_column_list = N'a, c'", 22930),
        (
            "@source_name = N't', @role_name = NULL, @capture_instance = N'x', @captured_column_list = N'name', @supports_net_changes = 1",
            22943,
        ),
    ] {
        assert_eq!(shop.error(&enable(rest)), number, "{rest}");
    }
    shop.run(&enable("@source_name = N't', @role_name = NULL, @capture_instance = N'dbo_t_v2'"));
    assert_eq!(shop.error(&enable("@source_name = N't', @role_name = NULL, @capture_instance = N'dbo_t_v3'")), 22962);
    assert_eq!(shop.error("EXEC sys.sp_cdc_enable_table N'cdc', N'change_tables', @role_name = NULL"), 22974);
}

#[test]
fn an_instance_that_is_disabled_is_gone_with_its_function_and_then_tracking_ends() {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', NULL)");
    shop.scan();
    let read = "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(sys.fn_cdc_get_min_lsn(N'dbo_t'), sys.fn_cdc_get_max_lsn(), N'all')";
    assert_eq!(shop.query(read).len(), 1);
    let disable = |instance: &str| {
        format!(
            "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N't', @capture_instance = N'{instance}'"
        )
    };
    assert_eq!(shop.error(&disable("other")), 22960);
    shop.run(&disable("dbo_t"));
    assert_eq!(shop.error(read), 208);
    assert_eq!(shop.error("SELECT * FROM cdc.dbo_t_CT"), 208);
    assert_eq!(shop.error(&disable("all")), 22985);
    assert_eq!(shop.value("SELECT is_tracked_by_cdc FROM sys.tables WHERE name = N't'"), Datum::Bit(false));
    shop.run("INSERT INTO dbo.t VALUES (2, 'b', NULL)");
    assert_eq!(shop.scan(), 0);
}

#[test]
fn a_database_that_is_disabled_has_nothing_left_and_can_be_enabled_again() {
    let mut shop = Shop::with_table();
    shop.run("EXEC sys.sp_cdc_disable_db");
    assert_eq!(shop.value("SELECT is_cdc_enabled FROM sys.databases WHERE name = N'shop'"), Datum::Bit(false));
    assert_eq!(shop.query("SELECT 1 FROM sys.schemas WHERE name = N'cdc'").len(), 0);
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', NULL)");
    shop.run("EXEC sys.sp_cdc_enable_db");
    shop.enable("t");
    shop.run("INSERT INTO dbo.t VALUES (2, 'b', NULL)");
    shop.scan();
    assert_eq!(shop.operations("dbo_t"), [2]);
}

#[test]
fn a_rolled_back_enabling_leaves_nothing() {
    let mut shop = Shop::new();
    shop.run("CREATE TABLE dbo.u (id int NOT NULL PRIMARY KEY)");
    shop.run(
        "BEGIN TRANSACTION; \
         EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'u', @role_name = NULL; ROLLBACK",
    );
    assert_eq!(shop.query("SELECT * FROM cdc.change_tables").len(), 0);
    shop.run("INSERT INTO dbo.u VALUES (1)");
    assert_eq!(shop.scan(), 0);
    shop.enable("u");
}

#[test]
fn a_gating_role_keeps_others_out() {
    let mut shop = Shop::new();
    shop.run("CREATE TABLE dbo.g (id int NOT NULL PRIMARY KEY)");
    shop.run("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'g', @role_name = N'cdc_reader'");
    assert_eq!(
        int(shop.value("SELECT COUNT(*) FROM sys.database_principals WHERE name = N'cdc_reader' AND type = 'R'")),
        1
    );
    assert_eq!(shop.value("SELECT role_name FROM cdc.change_tables"), text("cdc_reader"));
}

#[test]
fn jobs_are_made_with_the_first_table_and_can_be_changed() {
    let mut shop = Shop::new();
    assert_eq!(shop.query("EXEC sys.sp_cdc_help_jobs").len(), 0);
    shop.run("CREATE TABLE dbo.u (id int NOT NULL PRIMARY KEY)");
    shop.enable("u");
    let jobs = shop.query("EXEC sys.sp_cdc_help_jobs");
    assert_eq!(jobs.len(), 2);
    assert_eq!(
        jobs[0][1..7],
        [
            text("capture"),
            text("cdc.shop_capture"),
            Datum::Int(500),
            Datum::Int(10),
            Datum::Bit(true),
            Datum::BigInt(5)
        ]
    );
    assert_eq!(jobs[1][7..], [Datum::BigInt(4320), Datum::BigInt(5000)]);
    shop.run("EXEC sys.sp_cdc_change_job @job_type = N'capture', @maxtrans = 2, @pollinginterval = 0");
    assert_eq!(shop.query("EXEC sys.sp_cdc_help_jobs")[0][3], Datum::Int(2));
    assert_eq!(shop.error("EXEC sys.sp_cdc_change_job @job_type = N'capture', @maxscans = 0"), 22970);
}

#[test]
fn the_jobs_of_every_database_are_in_msdb() {
    let mut shop = Shop::with_table();
    let read = "SELECT * FROM msdb.dbo.cdc_jobs ORDER BY database_id, job_type";
    let ids = shop.query("EXEC sys.sp_cdc_help_jobs").into_iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let id = |name: &str| format!("SELECT DB_ID(N'{name}')");
    let database = shop.value(&id("shop"));
    let (int, big) = (Datum::Int, Datum::BigInt);
    let capture = [int(500), int(10), Datum::Bit(true), big(5), big(0), big(0)];
    let cleanup = [int(0), int(0), Datum::Bit(false), big(0), big(4320), big(5000)];
    let row =
        |job: &str, id: &Datum, settings: &[Datum]| [&[database.clone(), text(job), id.clone()][..], settings].concat();
    assert_eq!(shop.query(read), [row("capture", &ids[0], &capture), row("cleanup", &ids[1], &cleanup)]);

    shop.run("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 60, @threshold = 7");
    shop.run("EXEC sys.sp_cdc_drop_job @job_type = N'capture'");
    let changed = [int(0), int(0), Datum::Bit(false), big(0), big(60), big(7)];
    assert_eq!(shop.query(read), [row("cleanup", &ids[1], &changed)]);
    shop.run("EXEC sys.sp_cdc_add_job @job_type = N'capture', @maxtrans = 3, @continuous = 0");

    shop.run("USE master");
    shop.run("CREATE DATABASE plain");
    shop.run("CREATE DATABASE second");
    shop.run("USE second");
    shop.run("EXEC sys.sp_cdc_enable_db; EXEC sys.sp_cdc_add_job @job_type = N'cleanup', @retention = 5");
    let second = shop.value(&id("second"));
    shop.run("USE msdb");
    assert_eq!(
        shop.query(
            "SELECT database_id, job_type, maxtrans, continuous, retention FROM cdc_jobs ORDER BY database_id, job_type"
        ),
        [
            vec![database.clone(), text("capture"), int(3), Datum::Bit(false), big(0)],
            vec![database, text("cleanup"), int(0), Datum::Bit(false), big(60)],
            vec![second, text("cleanup"), int(0), Datum::Bit(false), big(5)],
        ]
    );
    assert_eq!(shop.error("DELETE FROM dbo.cdc_jobs"), 259);
}

#[test]
fn the_table_of_jobs_is_in_msdb_alone_and_only_when_it_is_needed() {
    let mut shop = Shop::with_table();
    assert_eq!(shop.error("SELECT * FROM dbo.cdc_jobs"), 208);
    assert_eq!(shop.error("SELECT * FROM master.dbo.cdc_jobs"), 208);
    shop.run("EXEC sys.sp_cdc_disable_db");
    assert_eq!(shop.error("SELECT * FROM msdb.dbo.cdc_jobs"), 208);
}
