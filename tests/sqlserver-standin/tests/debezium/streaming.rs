//! Changes as they stream, in both ways of reading them.

use serde_json::{Value, json};

use crate::setup::TestSetup;

const TABLES: [(&str, &str); 2] = [
    ("a", "id int NOT NULL PRIMARY KEY, name nvarchar(40) NULL, note nvarchar(max) NULL, remark ntext NULL"),
    ("b", "k1 int NOT NULL, k2 varchar(10) NOT NULL, amount money NOT NULL, PRIMARY KEY (k1, k2)"),
];

/// Each kind of change, alone and with others in one transaction, of two tables.
const STATEMENTS: [&str; 5] = [
    "INSERT INTO dbo.a VALUES (1, N'one', N'long', N'old'), (2, N'two', N'longer', N'older'), (3, N'three', NULL, NULL)",
    "UPDATE dbo.a SET name = N'ONE' WHERE id = 1",
    "BEGIN TRANSACTION; INSERT INTO dbo.b VALUES (1, 'x', 922337203685477.5807); \
     UPDATE dbo.a SET note = NULL WHERE id = 1; DELETE FROM dbo.a WHERE id = 2; COMMIT",
    "BEGIN TRANSACTION; DELETE FROM dbo.a; ROLLBACK",
    "UPDATE dbo.a SET id = id + 10",
];

fn row(id: i32, name: &str, note: Option<&str>, remark: Option<&str>) -> Value {
    json!({"id": id, "name": name, "note": note, "remark": remark})
}

/// What the statements did to table a before the last one, which moves two keys. A change table has the old value of a
/// `(max)` column if an update changes it, and of a row that is deleted; of `ntext` it has none. Debezium puts a text of
/// its own for what an update leaves as it is, and does so for `ntext`, but not for `nvarchar(max)`: for the driver that
/// is an `nvarchar` like others.
fn before_the_keys_move() -> Vec<Value> {
    let unavailable = Some("__debezium_unavailable_value");
    vec![
        json!(["c", null, row(1, "one", Some("long"), Some("old"))]),
        json!(["c", null, row(2, "two", Some("longer"), Some("older"))]),
        json!(["c", null, row(3, "three", None, None)]),
        json!(["u", row(1, "one", None, unavailable), row(1, "ONE", Some("long"), Some("old"))]),
        json!(["u", row(1, "ONE", Some("long"), unavailable), row(1, "ONE", None, Some("old"))]),
        json!(["d", row(2, "two", Some("longer"), None), null]),
        Value::Null,
    ]
}

fn changes(setup: &TestSetup, name: &str, settings: &[(&str, &str)], moves: &[Value]) {
    let connector = setup.connector(name, settings);
    connector.wait_for_offset();
    for statement in STATEMENTS {
        setup.sql(statement);
    }
    let records = setup.records(&connector, "a");
    let found: Vec<_> = records.iter().map(|record| record.change()).collect();
    assert_eq!(found, [&before_the_keys_move(), moves].concat());

    let [money] = &setup.records(&connector, "b")[..] else { panic!("not one record of b") };
    assert_eq!(money.key, json!({"k1": 1, "k2": "x"}));
    assert_eq!(money.change(), json!(["c", null, {"k1": 1, "k2": "x", "amount": "f/////////8="}]));

    // One commit for what was one transaction, and a higher one for each later transaction.
    let positions: Vec<_> = records.iter().filter(|r| !r.value.is_null()).map(|r| r.source("commit_lsn")).collect();
    let commits: Vec<bool> =
        positions.windows(2).map(|pair| pair[0].as_str().unwrap() < pair[1].as_str().unwrap()).collect();
    assert_eq!(commits, [false, false, true, true, false, true, false, false, false]);
    assert_eq!(positions[4], money.source("commit_lsn"));
    let names = ["snapshot", "db", "schema", "table"].map(|field| money.source(field).clone());
    assert_eq!(names, [json!("false"), json!(setup.database), json!("dbo"), json!("b")]);
}

/// The change tables are read in the order of the commands: all deletes of a statement come before its inserts.
#[test]
fn direct_mode_reads_every_change() {
    let Some(setup) = TestSetup::start("direct", &TABLES) else { return };
    let moves = [
        json!(["d", row(1, "ONE", None, None), null]),
        Value::Null,
        json!(["d", row(3, "three", None, None), null]),
        Value::Null,
        json!(["c", null, row(11, "ONE", None, Some("old"))]),
        json!(["c", null, row(13, "three", None, None)]),
    ];
    changes(&setup, "direct", &[("data.query.mode", "direct")], &moves);
}

/// The functions' rows are read in the order of seqval: a delete and its insert stand together. Over TLS.
#[test]
fn function_mode_reads_every_change() {
    let Some(setup) = TestSetup::start("by_function", &TABLES) else { return };
    let moves = [
        json!(["d", row(1, "ONE", None, None), null]),
        Value::Null,
        json!(["c", null, row(11, "ONE", None, Some("old"))]),
        json!(["d", row(3, "three", None, None), null]),
        Value::Null,
        json!(["c", null, row(13, "three", None, None)]),
    ];
    let settings =
        [("data.query.mode", "function"), ("driver.encrypt", "true"), ("driver.trustServerCertificate", "true")];
    changes(&setup, "by-function", &settings, &moves);
}

/// Two databases of one connector, each on a task of its own.
#[test]
fn two_databases_stream_side_by_side() {
    let Some(setup) = TestSetup::start("first", &[]) else { return };
    setup.standin.local("master").unwrap().run("CREATE DATABASE second").unwrap();
    let mut second = setup.standin.local("second").unwrap();
    for statement in [
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.[odd name] (id int NOT NULL PRIMARY KEY, [a ]] column] varchar(10) NULL)",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'odd name', @role_name = NULL",
        "INSERT INTO dbo.[odd name] VALUES (1, 'x')",
    ] {
        second.run(statement).unwrap_or_else(|error| panic!("{error} in {statement}"));
    }
    let connector = setup.posted("databases", &[("database.names", "first,second"), ("tasks.max", "2")]);
    let topic = "databases.second.dbo.odd_name";
    setup.rig.topics.wait(topic, |records| records.len() == 1);
    second.run("UPDATE dbo.[odd name] SET [a ]] column] = 'y'").unwrap();
    let records = setup.rig.topics.wait(topic, |records| records.len() == 2);
    assert_eq!(records[0].change(), json!(["r", null, {"id": 1, "a ] column": "x"}]));
    assert_eq!(records[1].change(), json!(["u", {"id": 1, "a ] column": "x"}, {"id": 1, "a ] column": "y"}]));
    setup.wait_for_all(&connector);
}
