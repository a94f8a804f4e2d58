//! A table's columns change: a second capture instance takes over from the first.

use serde_json::json;

use crate::setup::TestSetup;

const TABLE: (&str, &str) = ("a", "id int NOT NULL PRIMARY KEY, name varchar(40) NOT NULL, old int NULL");

fn evolve(database: &str, mode: &str) {
    let Some(setup) = TestSetup::start(database, &[TABLE]) else { return };
    let connector = setup.connector(database, &[("data.query.mode", mode)]);
    connector.wait_for_offset();
    setup.sql("INSERT INTO dbo.a VALUES (1, 'before', 1)");
    setup.wait_for_all(&connector);
    setup.sql("ALTER TABLE dbo.a ADD phone varchar(20) NULL");
    setup.sql("INSERT INTO dbo.a VALUES (2, 'between', 2, '555')");
    setup.sql("ALTER TABLE dbo.a DROP COLUMN old");
    setup.sql("INSERT INTO dbo.a VALUES (3, 'without', '666')");
    setup.capture("a", "dbo_a_v2");
    setup.sql("INSERT INTO dbo.a VALUES (4, 'after', '777')");
    setup.wait_for_all(&connector);
    setup.sql(
        "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N'a', @capture_instance = N'dbo_a'",
    );
    setup.sql("UPDATE dbo.a SET phone = NULL WHERE id = 4");

    let found: Vec<_> = setup.records(&connector, "a").iter().map(|record| record.change()).collect();
    let expected = [
        json!(["c", null, {"id": 1, "name": "before", "old": 1}]),
        json!(["c", null, {"id": 2, "name": "between", "old": 2}]),
        json!(["c", null, {"id": 3, "name": "without", "old": null}]),
        json!(["c", null, {"id": 4, "name": "after", "phone": "777"}]),
        json!(["u", {"id": 4, "name": "after", "phone": "777"}, {"id": 4, "name": "after", "phone": null}]),
    ];
    assert_eq!(found, expected);

    let changes = setup.rig.topics.all(database);
    let last = &changes.last().expect("no change of a schema").value["tableChanges"][0];
    assert_eq!((&last["type"], &last["id"]), (&json!("ALTER"), &json!(format!("\"{database}\".\"dbo\".\"a\""))));
    let columns = last["table"]["columns"].as_array().unwrap();
    let columns: Vec<_> = columns.iter().map(|c| (&c["name"], &c["typeName"], &c["optional"])).collect();
    let (name, phone) = ((json!("name"), json!("varchar")), (json!("phone"), json!("varchar")));
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(columns, [(&json!("id"), &json!("int"), &no), (&name.0, &name.1, &no), (&phone.0, &phone.1, &yes)]);
}

#[test]
fn a_second_instance_takes_over_in_direct_mode() {
    evolve("evolved", "direct");
}

#[test]
fn a_second_instance_takes_over_in_function_mode() {
    evolve("evolved_by_function", "function");
}
