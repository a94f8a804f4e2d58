//! Values of every type: read from the table by a snapshot, and from its change table as they stream.

use serde_json::{Map, Value, json};

use crate::setup::TestSetup;

/// Column, type, value in T-SQL, and what Debezium writes for it, with decimals as text.
fn columns() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    vec![
        ("c_bit", "bit", "1", json!(true)),
        ("c_tinyint", "tinyint", "255", json!(255)),
        ("c_smallint", "smallint", "-32768", json!(-32768)),
        ("c_int", "int", "-2147483648", json!(-2_147_483_648_i64)),
        ("c_bigint", "bigint", "9223372036854775807", json!(i64::MAX)),
        ("c_real", "real", "1.5", json!(1.5)),
        ("c_float", "float", "-2.25E-5", json!(-2.25e-5)),
        (
            "c_decimal",
            "decimal(38,10)",
            "1234567890123456789012345678.0123456789",
            json!("1234567890123456789012345678.0123456789"),
        ),
        ("c_numeric", "numeric(18,0)", "-999999999999999999", json!("-999999999999999999")),
        ("c_money", "money", "-922337203685477.5808", json!("-922337203685477.5808")),
        ("c_smallmoney", "smallmoney", "214748.3647", json!("214748.3647")),
        ("c_char", "char(5)", "'ab'", json!("ab   ")),
        ("c_varchar", "varchar(20)", "'Grüße €'", json!("Grüße €")),
        ("c_text", "text", "'text'", json!("text")),
        ("c_nchar", "nchar(4)", "N'日'", json!("日   ")),
        ("c_nvarchar", "nvarchar(20)", "N'Žluť 🐎'", json!("Žluť 🐎")),
        ("c_ntext", "ntext", "N'ñ'", json!("ñ")),
        ("c_varchar_max", "varchar(max)", "REPLICATE(CAST('x' AS varchar(max)), 9000)", json!("x".repeat(9000))),
        ("c_nvarchar_max", "nvarchar(max)", "N'Ω'", json!("Ω")),
        ("c_xml", "xml", "N'<a b=\"1\">&lt;</a>'", json!("<a b=\"1\">&lt;</a>")),
        (
            "c_guid",
            "uniqueidentifier",
            "'6f9619ff-8b86-d011-b42d-00c04fc964ff'",
            json!("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
        ),
        ("c_binary", "binary(4)", "0x0102", json!("AQIAAA==")),
        ("c_varbinary", "varbinary(10)", "0x010203", json!("AQID")),
        ("c_varbinary_max", "varbinary(max)", "0xFF", json!("/w==")),
        ("c_image", "image", "0x00", json!("AA==")),
        // Days, milliseconds, microseconds or nanoseconds, as the type has them.
        ("c_date", "date", "'2020-02-29'", json!(18_321)),
        ("c_time0", "time(0)", "'12:34:56'", json!(45_296_000)),
        ("c_time6", "time(6)", "'12:34:56.123456'", json!(45_296_123_456_i64)),
        ("c_time7", "time(7)", "'23:59:59.9999999'", json!(86_399_999_999_900_i64)),
        ("c_datetime", "datetime", "'2020-02-29T12:34:56.123'", json!(1_582_979_696_123_i64)),
        ("c_smalldatetime", "smalldatetime", "'2020-02-29T12:34:00'", json!(1_582_979_640_000_i64)),
        ("c_datetime2_3", "datetime2(3)", "'1969-12-31T23:59:59.999'", json!(-1)),
        ("c_datetime2_6", "datetime2(6)", "'2020-02-29T12:34:56.123456'", json!(1_582_979_696_123_456_i64)),
        ("c_datetime2_7", "datetime2(7)", "'2020-02-29T12:34:56.1234567'", json!(1_582_979_696_123_456_700_i64)),
        (
            "c_datetimeoffset",
            "datetimeoffset(7)",
            "'2018-07-13T12:23:45.4560000+11:00'",
            json!("2018-07-13T12:23:45.456+11:00"),
        ),
    ]
}

/// The database has one of the legacy collations for `varchar`, as most have.
#[test]
fn every_type_is_the_same_in_a_snapshot_and_in_a_change() {
    let columns = columns();
    let definitions: Vec<String> = columns.iter().map(|(name, kind, ..)| format!("{name} {kind} NULL")).collect();
    let table = format!("id int NOT NULL PRIMARY KEY, {}", definitions.join(", "));
    let Some(setup) = TestSetup::start("kinds", &[("kinds", &table)]) else { return };
    let values: Vec<&str> = columns.iter().map(|(_, _, value, _)| *value).collect();
    let insert = |full: i32, empty: i32| {
        setup.sql(&format!("INSERT INTO dbo.kinds VALUES ({full}, {})", values.join(", ")));
        setup.sql(&format!("INSERT INTO dbo.kinds (id) VALUES ({empty})"));
    };
    insert(1, 2);
    setup.scan();
    let connector = setup.connector("kinds", &[("decimal.handling.mode", "string")]);
    setup.exactly(&connector, "kinds", 2);
    insert(3, 4);

    let records = setup.records(&connector, "kinds");
    let ops: Vec<&str> = records.iter().map(|record| record.op()).collect();
    assert_eq!(ops, ["r", "r", "c", "c"]);
    for (record, id) in records.iter().zip(1..) {
        let after = record.value["after"].as_object().unwrap();
        for (name, kind, _, expected) in &columns {
            let expected = if id % 2 == 1 { expected } else { &Value::Null };
            assert_eq!(&after[*name], expected, "{kind} of row {id}");
        }
        let others: Map<String, Value> =
            after.iter().filter(|(name, _)| !name.starts_with("c_")).map(|(n, v)| (n.clone(), v.clone())).collect();
        assert_eq!(Value::Object(others), json!({"id": id}));
    }
}
