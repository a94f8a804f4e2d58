use super::{Server, answer, fails, run};

const STOCK: &str = "CREATE TABLE stock (id int PRIMARY KEY, name varchar(10) NOT NULL, amount int NOT NULL DEFAULT 7);
    INSERT stock VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', 30)";

#[test]
fn rows_are_updated_inserted_and_deleted_by_what_matches() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, STOCK);
    let merged = answer(
        s,
        "MERGE INTO stock WITH (HOLDLOCK) AS t USING (VALUES (2, 'TWO', 5), (3, 'gone', 0), (4, 'four', 40), (5, 'five', NULL)) \
         AS s (id, name, amount) ON t.id = s.id \
         WHEN MATCHED AND s.amount = 0 THEN DELETE \
         WHEN MATCHED THEN UPDATE SET t.name = s.name, amount += s.amount \
         WHEN NOT MATCHED AND s.amount IS NOT NULL THEN INSERT (id, name, amount) VALUES (s.id, s.name, s.amount) \
         WHEN NOT MATCHED BY SOURCE THEN UPDATE SET amount = 0 \
         OUTPUT $action, inserted.id, deleted.id;",
    );
    assert!(merged.errors.is_empty(), "{:?}", merged.errors);
    let mut rows: Vec<String> = merged.rows.iter().map(|row| row.join("|")).collect();
    rows.sort_unstable();
    assert_eq!(rows, ["DELETE|NULL|3", "INSERT|4|NULL", "UPDATE|1|1", "UPDATE|2|2"]);
    assert_eq!(merged.counts, [Some(4)]);
    assert_eq!(run(s, "SELECT * FROM stock ORDER BY id"), ["1|one|0", "2|TWO|25", "4|four|40"]);
}

#[test]
fn an_upsert_by_parameters_is_captured() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, STOCK);
    run(s, "EXEC sys.sp_cdc_enable_db");
    run(s, "EXEC sys.sp_cdc_enable_table @source_schema = 'dbo', @source_name = 'stock', @role_name = NULL");
    for (id, name) in [(1, "uno"), (9, "neun")] {
        run(
            s,
            &format!(
                "DECLARE @id int = {id}, @name varchar(10) = '{name}'; MERGE stock AS target USING (SELECT @id AS [id], @name AS [name]) \
                 AS incoming ON (target.[id] = incoming.[id]) WHEN MATCHED THEN UPDATE SET [name] = incoming.[name] \
                 WHEN NOT MATCHED THEN INSERT ([id], [name]) VALUES (incoming.[id], incoming.[name]);"
            ),
        );
    }
    assert_eq!(run(s, "SELECT * FROM stock WHERE id IN (1, 9) ORDER BY id"), ["1|uno|10", "9|neun|7"]);
    run(s, "EXEC sys.sp_cdc_scan");
    assert_eq!(
        run(s, "SELECT __$operation, id, name FROM cdc.dbo_stock_CT ORDER BY __$start_lsn, __$seqval, __$operation"),
        ["3|1|one", "4|1|uno", "2|9|neun"]
    );
}

#[test]
fn what_a_merge_must_not_do_is_refused() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, STOCK);
    let twice = "MERGE stock t USING (VALUES (1), (1)) AS s (id) ON t.id = s.id WHEN MATCHED THEN DELETE";
    assert_eq!(fails(s, twice), 10713, "without its end");
    assert_eq!(fails(s, &format!("{twice};")), 8672);
    assert_eq!(
        fails(
            s,
            "MERGE stock t USING (VALUES (8)) AS s (id) ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id);"
        ),
        515
    );
    assert_eq!(
        fails(s, "MERGE stock t USING (VALUES (8)) AS s (id) ON t.id = s.id WHEN MATCHED THEN INSERT (id) VALUES (1);"),
        156
    );
    assert_eq!(run(s, "SELECT COUNT(*) FROM stock"), ["3"]);
}
