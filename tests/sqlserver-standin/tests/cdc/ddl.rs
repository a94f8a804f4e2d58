//! DDL of captured tables.

use sqlserver_standin::data::Datum;

use crate::shop::{Shop, int, text};

#[test]
fn a_new_column_is_not_captured_and_a_dropped_one_is_null() {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', N'x')");
    shop.run("ALTER TABLE dbo.t ADD phone varchar(20) NULL");
    shop.run("INSERT INTO dbo.t VALUES (2, 'b', N'y', '555')");
    shop.run("ALTER TABLE dbo.t DROP COLUMN name");
    shop.run("INSERT INTO dbo.t (id, note, phone) VALUES (3, N'z', '777')");
    shop.scan();
    let rows = shop.query("SELECT id, name, note FROM cdc.dbo_t_CT ORDER BY id");
    assert_eq!(rows[0], [Datum::Int(1), text("a"), text("x")]);
    assert_eq!(rows[1], [Datum::Int(2), text("b"), text("y")]);
    assert_eq!(rows[2], [Datum::Int(3), Datum::Null, text("z")]);
    let history = shop.query("EXEC sys.sp_cdc_get_ddl_history @capture_instance = N'dbo_t'");
    assert_eq!(history.len(), 2);
    assert!(matches!(&history[0][4], Datum::Text(ddl) if ddl.starts_with("ALTER TABLE dbo.t ADD phone")));
}

#[test]
fn a_new_type_is_the_captured_column_s_too() {
    let mut shop = Shop::with_table();
    shop.run("ALTER TABLE dbo.t ALTER COLUMN name varchar(80) NULL");
    let length = "SELECT max_length FROM sys.columns WHERE object_id = OBJECT_ID(N'cdc.dbo_t_CT') AND name = N'name'";
    assert_eq!(shop.value(length), Datum::SmallInt(80));
    assert_eq!(shop.query("SELECT required_column_update FROM cdc.ddl_history"), [[Datum::Bit(true)]]);
}

#[test]
fn what_would_break_capture_is_refused() {
    let mut shop = Shop::with_table();
    assert_eq!(shop.error("TRUNCATE TABLE dbo.t"), 4711);
    assert_eq!(shop.error("EXEC sp_rename N'dbo.t.name', N'title', N'COLUMN'"), 4928);
    let constraint = shop.value("SELECT name FROM sys.key_constraints WHERE parent_object_id = OBJECT_ID(N'dbo.t')");
    let Datum::Text(constraint) = constraint else { panic!("no key") };
    assert_eq!(shop.error(&format!("ALTER TABLE dbo.t DROP CONSTRAINT [{constraint}]")), 22979);
}

#[test]
fn a_dropped_table_takes_its_instances_along() {
    let mut shop = Shop::with_table();
    shop.run("DROP TABLE dbo.t");
    assert_eq!(int(shop.value("SELECT COUNT(*) FROM cdc.change_tables")), 0);
    assert_eq!(shop.error("SELECT * FROM cdc.dbo_t_CT"), 208);
}
