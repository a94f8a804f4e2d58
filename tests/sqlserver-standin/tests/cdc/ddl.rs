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
fn an_alias_type_is_its_base_type_under_another_name() {
    let mut shop = Shop::with_table();
    shop.run("CREATE TYPE dbo.price FROM money NOT NULL");
    shop.run("CREATE TABLE dbo.priced (id int NOT NULL PRIMARY KEY, p dbo.price, q price NULL)");
    shop.run("EXEC sys.sp_cdc_enable_table N'dbo', N'priced', @role_name = NULL");
    shop.run("INSERT INTO dbo.priced VALUES (1, 922337203685477.5807, NULL)");
    assert_eq!(shop.error("INSERT INTO dbo.priced VALUES (2, NULL, NULL)"), 515);
    assert_eq!(shop.error("CREATE TYPE dbo.Price FROM int"), 219);
    assert_eq!(shop.error("DROP TYPE dbo.price"), 3732);
    shop.scan();
    let captured = shop.query("SELECT CAST(p AS varchar(30)) FROM cdc.dbo_priced_CT");
    assert_eq!(captured, [[text("922337203685477.58")]]);
    let described = shop.query("EXEC sp_columns_100 @table_name = N'priced', @column_name = N'p', @ODBCVer = 3");
    assert_eq!(
        [&described[0][4], &described[0][5], &described[0][10]],
        [&Datum::SmallInt(3), &text("price"), &Datum::SmallInt(0)]
    );
    let types = "SELECT TYPE_NAME(c.user_type_id), TYPE_NAME(c.system_type_id), t.is_user_defined FROM sys.columns c \
                 JOIN sys.types t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID(N'dbo.priced') AND c.name = N'q'";
    assert_eq!(shop.query(types), [[text("price"), text("money"), Datum::Bit(true)]]);
    shop.run("DROP TABLE dbo.priced; DROP TYPE dbo.price");
    assert_eq!(shop.error("DROP TYPE dbo.price"), 3701);
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
