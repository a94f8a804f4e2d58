//! Snapshots in every mode, at the first start and at later ones.

use serde_json::{Value, json};

use crate::setup::TestSetup;

const TABLE: (&str, &str) =
    ("things", "id int NOT NULL PRIMARY KEY, name nvarchar(40) NULL, price decimal(10,2) NOT NULL DEFAULT 1.50");

/// 1.50 and 2.25 as the two's complement of the unscaled value.
const PRICES: [&str; 2] = ["AJY=", "AOE="];

/// With three rows.
fn start(database: &str) -> Option<TestSetup> {
    let setup = TestSetup::start(database, &[TABLE])?;
    setup.sql("INSERT INTO dbo.things (id, name) VALUES (1, N'eins'), (2, N'zwei')");
    setup.sql("INSERT INTO dbo.things VALUES (3, NULL, 2.25)");
    setup.scan();
    Some(setup)
}

fn read(id: i32, name: Option<&str>, price: &str) -> Value {
    json!(["r", null, {"id": id, "name": name, "price": price}])
}

fn the_three() -> Vec<Value> {
    vec![read(1, Some("eins"), PRICES[0]), read(2, Some("zwei"), PRICES[0]), read(3, None, PRICES[1])]
}

fn insert(id: i32, name: &str) -> Value {
    json!(["c", null, {"id": id, "name": name, "price": PRICES[0]}])
}

/// A name, settings, whether it reads the rows that are there, and whether it goes on with changes.
type Mode<'a> = (&'a str, &'a [(&'a str, &'a str)], bool, bool);

#[test]
fn each_mode_reads_rows_and_goes_on_as_it_says() {
    let Some(setup) = start("modes") else { return };
    let by_configuration = [
        ("snapshot.mode", "configuration_based"),
        ("snapshot.mode.configuration.based.snapshot.schema", "true"),
        ("snapshot.mode.configuration.based.snapshot.data", "true"),
        ("snapshot.mode.configuration.based.start.stream", "true"),
    ];
    let modes: [Mode<'_>; 7] = [
        ("initial", &[], true, true),
        ("always", &[("snapshot.mode", "always")], true, true),
        ("initial_only", &[("snapshot.mode", "initial_only")], true, false),
        ("no_data", &[("snapshot.mode", "no_data")], false, true),
        ("when_needed", &[("snapshot.mode", "when_needed")], true, true),
        ("when_needed_no_data", &[("snapshot.mode", "when_needed_no_data")], false, true),
        ("configuration_based", &by_configuration, true, true),
    ];
    let connectors: Vec<_> =
        modes.iter().map(|(mode, settings, ..)| setup.posted(&format!("modes.{mode}"), settings)).collect();
    for (connector, (_, _, reads, _)) in connectors.iter().zip(&modes) {
        connector.wait_until_running();
        connector.wait_for_schemas(2);
        if *reads {
            setup.exactly(connector, "things", 3);
        }
    }
    setup.sql("INSERT INTO dbo.things (id, name) VALUES (4, N'vier')");
    // First those that stream: by then the others would have seen the row, too.
    for streaming in [true, false] {
        for (connector, (mode, _, reads, streams)) in connectors.iter().zip(&modes) {
            if *streams == streaming {
                if streaming {
                    setup.wait_for_all(connector);
                }
                let mut expected = if *reads { the_three() } else { Vec::new() };
                expected.extend(streaming.then(|| insert(4, "vier")));
                let found: Vec<_> =
                    setup.rig.topics.all(&connector.topic("things")).iter().map(|record| record.change()).collect();
                assert_eq!(found, expected, "{mode}");
            }
        }
    }
}

#[test]
fn a_later_start_reads_again_in_mode_always_only() {
    let Some(setup) = start("again") else { return };
    let once = setup.connector("again.initial", &[]);
    let always = setup.connector("again.always", &[("snapshot.mode", "always")]);
    for connector in [&once, &always] {
        let records = setup.exactly(connector, "things", 3);
        assert!(records.iter().all(|record| record.key["id"] == record.value["after"]["id"]), "{records:?}");
        setup.wait_for_all(connector);
        connector.stop();
    }
    setup.sql("INSERT INTO dbo.things (id, name) VALUES (4, N'vier')");
    setup.scan();
    let mut expected = the_three();
    expected.push(insert(4, "vier"));
    once.resume();
    let found: Vec<_> = setup.records(&once, "things").iter().map(|record| record.change()).collect();
    assert_eq!(found, expected);

    expected[3] = read(4, Some("vier"), PRICES[0]);
    let expected = [the_three(), expected].concat();
    always.resume();
    let found: Vec<_> = setup.exactly(&always, "things", 7).iter().map(|record| record.change()).collect();
    assert_eq!(found, expected);
}

#[test]
fn changes_that_were_cleaned_up_are_missed_or_read_again_when_needed() {
    let Some(setup) = start("cleaned") else { return };
    let needed = setup.connector("cleaned.needed", &[("snapshot.mode", "when_needed")]);
    let initial = setup.connector("cleaned.initial", &[]);
    for connector in [&needed, &initial] {
        setup.exactly(connector, "things", 3);
        setup.wait_for_all(connector);
        connector.stop();
    }
    setup.sql("INSERT INTO dbo.things (id, name) VALUES (4, N'vier')");
    setup.scan();
    // SQL Server's own job does this after some days; it raises what is the lowest position of each table.
    for table in ["things", "fence"] {
        setup.sql(&format!(
            "DECLARE @mark binary(10) = sys.fn_cdc_get_max_lsn(); \
             EXEC sys.sp_cdc_cleanup_change_table @capture_instance = N'dbo_{table}', @low_water_mark = @mark"
        ));
    }
    initial.resume();
    let failure = initial.wait_until_failed();
    assert!(failure.contains("no longer available on the server"), "{failure}");

    needed.resume();
    let found: Vec<_> = setup.exactly(&needed, "things", 7).iter().map(|record| record.change()).collect();
    let expected = [the_three(), the_three(), vec![read(4, Some("vier"), PRICES[0])]].concat();
    assert_eq!(found, expected);
}

#[test]
fn recovery_rebuilds_a_history_that_is_lost() {
    let Some(setup) = start("recovered") else { return };
    let mut connector = setup.connector("recovered", &[]);
    setup.exactly(&connector, "things", 3);
    setup.wait_for_all(&connector);
    connector.stop();
    setup.sql("INSERT INTO dbo.things (id, name) VALUES (4, N'vier')");
    connector.configure(&[("schema.history.internal.kafka.topic", "history.recovered.anew")]);
    connector.resume();
    let failure = connector.wait_until_failed();
    assert!(failure.contains("db history topic is missing"), "{failure}");

    connector.stop();
    connector.configure(&[("snapshot.mode", "recovery")]);
    connector.resume();
    let found: Vec<_> = setup.records(&connector, "things").iter().map(|record| record.change()).collect();
    let mut expected = the_three();
    expected.push(insert(4, "vier"));
    assert_eq!(found, expected);
    assert_eq!(setup.rig.topics.all("history.recovered.anew").len(), 2);
}
