use super::{Server, fails, run};

const POINTS: &str = "CREATE TABLE points (id int, score int);
    INSERT points VALUES (1, 50), (2, 40), (3, 40), (4, 40), (5, 10), (6, 5), (7, 1)";

#[test]
fn the_first_rows_are_also_a_part_or_with_those_that_tie() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, POINTS);
    assert_eq!(run(s, "SELECT TOP (2) WITH TIES id FROM points ORDER BY score DESC").len(), 4);
    assert_eq!(run(s, "SELECT TOP (1) WITH TIES id, score FROM points ORDER BY 2 DESC"), ["1|50"]);
    assert_eq!(
        run(s, "SELECT TOP 1 WITH TIES score, COUNT(*) FROM points GROUP BY score ORDER BY COUNT(*) DESC"),
        ["40|3"]
    );
    assert_eq!(run(s, "SELECT TOP 30 PERCENT id FROM points ORDER BY id"), ["1", "2", "3"]);
    assert_eq!(run(s, "SELECT TOP (100) PERCENT id FROM points").len(), 7);
    assert_eq!(
        run(s, "SELECT COUNT(*) FROM (SELECT TOP 20 PERCENT WITH TIES id FROM points ORDER BY score DESC) t"),
        ["4"]
    );
    assert_eq!(fails(s, "SELECT TOP 1 WITH TIES id FROM points"), 1062);
    assert_eq!(fails(s, "SELECT TOP 101 PERCENT id FROM points"), 1031);
}

#[test]
fn a_text_is_cast_in_the_collation_that_it_is_given() {
    let server = Server::start();
    let s = &mut *server.session(51);
    assert_eq!(run(s, "SELECT CAST(N'α' COLLATE Greek_CI_AS AS varchar(5)), CAST(N'Ж' AS varchar(5))"), ["α|?"]);
}

#[test]
fn a_common_table_expression_goes_on_from_its_own_rows() {
    let server = Server::start();
    let s = &mut *server.session(51);
    assert_eq!(
        run(s, "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT SUM(i), COUNT(*) FROM n"),
        ["15|5"]
    );
    run(s, "CREATE TABLE staff (id int, boss int NULL); INSERT staff VALUES (1, NULL), (2, 1), (3, 1), (4, 3), (9, 8)");
    assert_eq!(
        run(
            s,
            "WITH under AS (SELECT id, 0 AS depth FROM staff WHERE id = 1 UNION ALL \
             SELECT s.id, u.depth + 1 FROM staff s JOIN under u ON s.boss = u.id) SELECT id, depth FROM under ORDER BY id"
        ),
        ["1|0", "2|1", "3|1", "4|2"]
    );
    let endless = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
    assert_eq!(fails(s, endless), 530);
    let deep = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT COUNT(*) FROM n";
    assert_eq!(fails(s, deep), 530);
    assert_eq!(run(s, &format!("{deep} OPTION (MAXRECURSION 1000)")), ["500"]);
    assert_eq!(fails(s, "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1.5 FROM n WHERE i < 5) SELECT * FROM n"), 240);
    assert_eq!(
        fails(s, "WITH n AS (SELECT 1 AS i UNION ALL SELECT a.i FROM n a JOIN n b ON a.i = b.i) SELECT * FROM n"),
        253
    );
}

#[test]
fn what_is_not_supported_has_the_numbers_of_syntax() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, POINTS);
    for (sql, number) in [
        ("SELECT AVG(DISTINCT score) FROM points", 156),
        ("SET ROWCOUNT 5", 156),
        ("SELECT * FROM points FOR XML AUTO", 156),
        ("SELECT NO_SUCH_FUNCTION(1)", 195),
        ("SELECT dbo.no_such_function(1)", 4121),
        ("EXEC no_such_procedure", 2812),
        ("SELECT * FROM no_such_table", 208),
        ("CREATE TRIGGER t ON points AFTER INSERT AS SELECT 1", 156),
    ] {
        assert_eq!(fails(s, sql), number, "{sql}");
    }
}
