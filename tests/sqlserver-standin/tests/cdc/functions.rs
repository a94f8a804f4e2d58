//! The functions that read changes.

use sqlserver_standin::data::Datum;

use crate::shop::{Shop, int, text};

fn changed() -> Shop {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (1, 'a', N'x'), (2, 'b', NULL)");
    shop.run("UPDATE dbo.t SET name = 'c' WHERE id = 1");
    shop.run("DELETE FROM dbo.t WHERE id = 2");
    shop.scan();
    shop
}

const WINDOW: &str = "sys.fn_cdc_get_min_lsn(N'dbo_t'), sys.fn_cdc_get_max_lsn()";

#[test]
fn all_changes_have_the_old_image_only_when_asked() {
    let mut shop = changed();
    let read = |filter: &str| {
        format!(
            "SELECT __$operation, __$update_mask, id, name, note FROM cdc.fn_cdc_get_all_changes_dbo_t({WINDOW}, N'{filter}') \
             ORDER BY __$start_lsn, __$seqval, __$operation"
        )
    };
    let rows = shop.query(&read("all update old"));
    let operations: Vec<i32> = rows.iter().map(|r| int(r[0].clone())).collect();
    assert_eq!(operations, [2, 2, 3, 4, 1]);
    assert_eq!(rows[2][1..], [Datum::Bytes(vec![0x02]), Datum::Int(1), text("a"), Datum::Null]);
    assert_eq!(rows[3][1..], [Datum::Bytes(vec![0x02]), Datum::Int(1), text("c"), text("x")]);
    let rows = shop.query(&read("ALL "));
    assert_eq!(rows.iter().map(|r| int(r[0].clone())).collect::<Vec<_>>(), [2, 2, 4, 1]);
}

#[test]
fn a_window_that_the_instance_does_not_have_is_error_313() {
    let mut shop = changed();
    for (from, to, filter) in [
        ("NULL", "sys.fn_cdc_get_max_lsn()", "all"),
        ("sys.fn_cdc_get_min_lsn(N'dbo_t')", "NULL", "all"),
        ("sys.fn_cdc_decrement_lsn(sys.fn_cdc_get_min_lsn(N'dbo_t'))", "sys.fn_cdc_get_max_lsn()", "all"),
        ("sys.fn_cdc_get_min_lsn(N'dbo_t')", "sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn())", "all"),
        ("sys.fn_cdc_get_max_lsn()", "sys.fn_cdc_get_min_lsn(N'dbo_t')", "all"),
        ("sys.fn_cdc_get_min_lsn(N'dbo_t')", "sys.fn_cdc_get_max_lsn()", "some"),
    ] {
        let sql = format!("SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t({from}, {to}, N'{filter}')");
        let error = shop.session.run(&sql).unwrap_err();
        assert_eq!((error.number, error.class, error.state), (313, 16, 3), "{sql}");
        assert_eq!(
            error.message,
            "An insufficient number of arguments were supplied for the procedure or function cdc.fn_cdc_get_all_changes_ ... ."
        );
    }
    assert_eq!(shop.error(&format!("SELECT * FROM cdc.fn_cdc_get_all_changes_other({WINDOW}, N'all')")), 208);
}

#[test]
fn net_changes_are_what_is_left_of_a_window() {
    let mut shop = Shop::with_table();
    shop.run("INSERT INTO dbo.t VALUES (4, 'old', NULL), (5, 'old', NULL), (6, 'old', NULL), (7, 'old', NULL)");
    shop.scan();
    shop.run("DECLARE @x int = 1");
    let from = shop.value("SELECT sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn())");
    let Datum::Bytes(from) = from else { panic!("no LSN") };
    let from: String = from.iter().map(|b| format!("{b:02x}")).collect();
    for sql in [
        "INSERT INTO dbo.t VALUES (1, 'a', NULL)",
        "INSERT INTO dbo.t VALUES (2, 'a', NULL)",
        "UPDATE dbo.t SET name = 'b' WHERE id = 2",
        "INSERT INTO dbo.t VALUES (3, 'a', NULL)",
        "DELETE FROM dbo.t WHERE id = 3",
        "UPDATE dbo.t SET name = 'new' WHERE id = 4",
        "DELETE FROM dbo.t WHERE id = 5",
        "DELETE FROM dbo.t WHERE id = 6",
        "INSERT INTO dbo.t VALUES (6, 'reborn', NULL)",
        "UPDATE dbo.t SET name = 'doomed' WHERE id = 7",
        "DELETE FROM dbo.t WHERE id = 7",
    ] {
        shop.run(sql);
    }
    shop.scan();
    let mut read = |filter: &str| -> Vec<(i32, i32, Datum)> {
        let sql = format!(
            "SELECT __$operation, id, name, __$update_mask FROM cdc.fn_cdc_get_net_changes_dbo_t(0x{from}, sys.fn_cdc_get_max_lsn(), N'{filter}') \
             ORDER BY id"
        );
        let row = |mut r: Vec<Datum>| {
            assert_eq!(r.remove(3), Datum::Null, "a mask under '{filter}'");
            let name = r.remove(2);
            (int(r.remove(0)), int(r.remove(0)), name)
        };
        shop.query(&sql).into_iter().map(row).collect()
    };
    let net = [
        (2, 1, text("a")),
        (2, 2, text("b")),
        (4, 4, text("new")),
        (1, 5, text("old")),
        (4, 6, text("reborn")),
        (1, 7, text("doomed")),
    ];
    assert_eq!(read("all"), net);
    let merged = net.map(|(op, id, name)| (if op == 1 { 1 } else { 5 }, id, name));
    assert_eq!(read("all with merge"), merged);
}

#[test]
fn net_changes_with_mask_tell_which_columns_the_updates_of_a_row_changed() {
    let mut shop = Shop::new();
    let wide: String = (3..=10).map(|at| format!(", c{at} int NULL")).collect();
    shop.run(&format!("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, c2 int NULL{wide})"));
    shop.enable("t");
    shop.run("INSERT INTO dbo.t (id) VALUES (2), (3), (4), (5), (6)");
    shop.scan();
    let from = shop.value("SELECT CONVERT(varchar(22), sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn()), 1)");
    let Datum::Text(from) = from else { panic!("no LSN") };
    for sql in [
        "INSERT INTO dbo.t (id) VALUES (1)",
        "UPDATE dbo.t SET c2 = 1 WHERE id IN (1, 2, 6)",
        "UPDATE dbo.t SET c10 = 1, c3 = 1 WHERE id = 2",
        "UPDATE dbo.t SET c9 = 1 WHERE id = 3",
        "DELETE FROM dbo.t WHERE id IN (4, 5, 6)",
        "INSERT INTO dbo.t (id) VALUES (5)",
    ] {
        shop.run(sql);
    }
    shop.scan();
    let net = shop.query(&format!(
        "SELECT __$operation, id, __$update_mask \
         FROM cdc.fn_cdc_get_net_changes_dbo_t({from}, sys.fn_cdc_get_max_lsn(), N'All With Mask') ORDER BY id"
    ));
    let mask = |bytes: [u8; 2]| Datum::Bytes(bytes.to_vec());
    let expected = [
        (2, Datum::Null),
        (4, mask([0x02, 0b110])),
        (4, mask([0x01, 0])),
        (1, Datum::Null),
        (4, mask([0x03, 0xff])),
        (1, Datum::Null),
    ];
    let expected: Vec<_> =
        expected.into_iter().zip(1..).map(|((op, mask), id)| vec![Datum::Int(op), Datum::Int(id), mask]).collect();
    assert_eq!(net, expected);
}

#[test]
fn masks_are_put_together_by_an_aggregate_of_the_system() {
    let mut shop = Shop::new();
    let all = "SELECT sys.ORMask(m) FROM (SELECT 0xF000 AS m UNION ALL SELECT 0x0F UNION ALL SELECT NULL) x";
    assert_eq!(shop.value(all), Datum::Bytes(vec![0xf0, 0x0f]));
    assert_eq!(shop.value("SELECT sys.ORMask(m) FROM (SELECT 0x01 AS m) x WHERE 1 = 0"), Datum::Null);
    assert_eq!(shop.error("SELECT ORMask(0x01)"), 195);
}

#[test]
fn positions_are_found_and_counted() {
    let mut shop = changed();
    assert_eq!(shop.value("SELECT sys.fn_cdc_get_min_lsn(N'none')"), Datum::Bytes(vec![0; 10]));
    assert_eq!(
        shop.value("SELECT sys.fn_cdc_increment_lsn(0x0000002D000005900005)"),
        Datum::Bytes(vec![0, 0, 0, 0x2d, 0, 0, 5, 0x90, 0, 6])
    );
    let same = "SELECT CASE WHEN sys.fn_cdc_map_time_to_lsn(N'largest less than or equal', \
                sys.fn_cdc_map_lsn_to_time(sys.fn_cdc_get_max_lsn())) = sys.fn_cdc_get_max_lsn() THEN 1 ELSE 0 END";
    assert_eq!(int(shop.value(same)), 1);
    assert_eq!(shop.value("SELECT sys.fn_cdc_map_time_to_lsn(N'smallest greater than', '2030-01-01')"), Datum::Null);
    assert_eq!(int(shop.value("SELECT sys.fn_cdc_get_column_ordinal(N'dbo_t', N'name')")), 2);
    assert_eq!(shop.value("SELECT sys.fn_cdc_is_bit_set(2, 0x02)"), Datum::Bit(true));
    assert_eq!(shop.value("SELECT sys.fn_cdc_has_column_changed(N'dbo_t', N'note', 0x02)"), Datum::Bit(false));
}

#[test]
fn functions_of_another_database_are_named_with_it() {
    let mut shop = changed();
    let here = shop.value("SELECT sys.fn_cdc_get_max_lsn()");
    shop.run("USE master");
    assert_eq!(shop.value("SELECT [shop].sys.fn_cdc_get_max_lsn()"), here);
    let window = "[shop].sys.fn_cdc_get_min_lsn(N'dbo_t'), [shop].sys.fn_cdc_get_max_lsn()";
    let read = format!("SELECT COUNT(*) FROM [shop].cdc.[fn_cdc_get_all_changes_dbo_t]({window}, N'all update old')");
    assert_eq!(int(shop.value(&read)), 5);
}
