//! Statements in, rows and errors out.

mod merge;
mod queries;

use std::sync::Arc;

use super::{Engine, Options};
use crate::cdc::{self, ChangeData};
use crate::clock::Clock;
use crate::data::{Column, Datum, SqlError, Type};
use crate::faults::Faults;
use crate::locks::Locks;
use crate::session::{self, Answer, Cancel, Command, EnvChange, Flow, Login, Parameter, Session};
use crate::sql::value::text;

/// What a request answered.
#[derive(Default, Debug)]
struct Answered {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    counts: Vec<Option<u64>>,
    errors: Vec<SqlError>,
    values: Vec<Datum>,
}

impl Answer for Answered {
    fn columns(&mut self, columns: &[Column]) -> Flow {
        self.columns = columns.to_vec();
        Flow::Continue
    }

    fn order(&mut self, _: &[u16]) {}

    fn row(&mut self, values: &[Datum]) -> Flow {
        let shown = values.iter().zip(&self.columns).map(|(value, column)| match value {
            Datum::Null => "NULL".to_owned(),
            Datum::Bytes(bytes) => format!("0x{}", text::hex(bytes)),
            value => text::format(value, &column.r#type, None).unwrap(),
        });
        self.rows.push(shown.collect());
        Flow::Continue
    }

    fn done(&mut self, rows: Option<u64>, _: Command) {
        self.counts.push(rows);
    }

    fn info(&mut self, _: &SqlError) {}

    fn error(&mut self, error: &SqlError) {
        self.errors.push(error.clone());
    }

    fn env(&mut self, _: &EnvChange) {}

    fn return_status(&mut self, _: i32) {}

    fn return_value(&mut self, _: &str, _: &Type, value: &Datum) {
        self.values.push(value.clone());
    }
}

struct Server {
    engine: Arc<Engine>,
    _folder: tempfile::TempDir,
}

fn login(spid: u16, user: &str, password: &str) -> Login {
    Login {
        spid,
        user: user.to_owned(),
        password: password.to_owned(),
        database: String::new(),
        host: "here".to_owned(),
        application: "test".to_owned(),
        cancel: Cancel::default(),
    }
}

impl Server {
    fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        Server { engine: open(folder.path()), _folder: folder }
    }

    fn session(&self, spid: u16) -> Box<dyn Session> {
        let mut session = session::Engine::login(&*self.engine, &login(spid, "sa", "secret")).unwrap();
        run(&mut *session, "IF DB_ID('shop') IS NULL CREATE DATABASE shop");
        run(&mut *session, "USE shop");
        session
    }
}

fn open(folder: &std::path::Path) -> Arc<Engine> {
    let clock = Clock::system();
    let changes = ChangeData::new(clock.clone(), cdc::Options { capture: cdc::Capture::Stepped, seed: 1 });
    let options = Options {
        folder: folder.to_owned(),
        password: "secret".to_owned(),
        clock,
        locks: Locks::default(),
        faults: Faults::default(),
        changes,
    };
    Engine::open(options).unwrap()
}

fn answer(session: &mut dyn Session, sql: &str) -> Answered {
    let mut answered = Answered::default();
    session.batch(sql, &mut answered);
    answered
}

fn run(session: &mut dyn Session, sql: &str) -> Vec<String> {
    let answered = answer(session, sql);
    assert!(answered.errors.is_empty(), "{sql}: {:?}", answered.errors);
    answered.rows.iter().map(|row| row.join("|")).collect()
}

fn fails(session: &mut dyn Session, sql: &str) -> i32 {
    let answered = answer(session, sql);
    answered.errors.first().unwrap_or_else(|| panic!("{sql} did not fail: {:?}", answered.rows)).number
}

#[test]
fn tables_are_made_filled_and_read() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(
        s,
        "CREATE TABLE dbo.orders (id int IDENTITY(1,1) PRIMARY KEY, name nvarchar(20) NOT NULL, price decimal(10,2) NULL DEFAULT 1.5, at datetime2(3))",
    );
    let inserted = answer(
        s,
        "INSERT INTO orders (name, price, at) OUTPUT inserted.id VALUES (N'b', 2.345, '2024-05-06 07:08:09.1234'), ('A', DEFAULT, NULL)",
    );
    assert_eq!(inserted.rows, [["1"], ["2"]]);
    assert_eq!(inserted.counts, [Some(2)]);
    assert_eq!(
        run(s, "SELECT * FROM shop.dbo.orders ORDER BY name"),
        ["2|A|1.50|NULL", "1|b|2.35|2024-05-06 07:08:09.123"]
    );
    let answered = answer(s, "SELECT id, name, price * 2 AS twice FROM orders WHERE name = 'B'");
    assert_eq!(answered.rows, [["1", "b", "4.70"]]);
    assert_eq!(answered.columns[0].r#type, Type::Int);
    assert!(!answered.columns[0].nullable && answered.columns[0].identity);
    assert_eq!(answered.columns[2].r#type, Type::Decimal { precision: 21, scale: 2 });
    assert_eq!(run(s, "UPDATE orders SET price += 1 WHERE id = 1; SELECT price FROM orders WHERE id = 1"), ["3.35"]);
    assert_eq!(run(s, "DELETE FROM orders OUTPUT deleted.name WHERE id = 2"), ["A"]);
    assert_eq!(run(s, "SELECT COUNT(*), SUM(price), MAX(name), @@ROWCOUNT FROM orders"), ["1|3.35|b|1"]);
}

#[test]
fn constraints_hold_with_their_errors() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, "CREATE TABLE p (id int PRIMARY KEY, u varchar(5) NULL UNIQUE, n int NOT NULL CHECK (n > 0))");
    run(s, "INSERT p VALUES (1, 'a', 1)");
    assert_eq!(fails(s, "INSERT p VALUES (1, 'b', 1)"), 2627);
    assert_eq!(fails(s, "INSERT p VALUES (2, 'A', 1)"), 2627);
    assert_eq!(fails(s, "INSERT p VALUES (2, 'b', NULL)"), 515);
    assert_eq!(fails(s, "INSERT p VALUES (2, 'b', -1)"), 547);
    assert_eq!(fails(s, "INSERT p VALUES (2, 'toolong', 1)"), 2628);
    assert_eq!(fails(s, "INSERT p VALUES (2, 'b')"), 213);
    assert_eq!(fails(s, "SELECT x FROM p"), 207);
    assert_eq!(fails(s, "SELECT * FROM q"), 208);
    assert_eq!(fails(s, "SELECT 1/0"), 8134);
    assert_eq!(fails(s, "SELECT CAST('x' AS int)"), 245);
    run(s, "INSERT p VALUES (2, NULL, 1)");
    assert_eq!(fails(s, "INSERT p VALUES (3, NULL, 1)"), 2627);
    run(s, "UPDATE p SET id = id + 1");
    assert_eq!(run(s, "SELECT id FROM p ORDER BY id"), ["2", "3"]);
    run(s, "CREATE TABLE c (id int, p int REFERENCES p(id))");
    assert_eq!(fails(s, "INSERT c VALUES (1, 99)"), 547);
    run(s, "INSERT c VALUES (1, 2)");
    assert_eq!(fails(s, "DELETE p WHERE id = 2"), 547);
}

#[test]
fn transactions_come_and_go_with_savepoints() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, "CREATE TABLE t (id int)");
    run(s, "BEGIN TRAN INSERT t VALUES (1) SAVE TRAN a INSERT t VALUES (2) ROLLBACK TRAN a INSERT t VALUES (3) COMMIT");
    assert_eq!(run(s, "SELECT id FROM t ORDER BY id"), ["1", "3"]);
    run(s, "BEGIN TRAN DELETE t");
    assert_eq!(run(s, "SELECT @@TRANCOUNT, COUNT(*) FROM t"), ["1|0"]);
    let other = &mut *server.session(52);
    assert_eq!(run(other, "SELECT COUNT(*) FROM t"), ["2"]);
    assert_eq!(fails(other, "SET LOCK_TIMEOUT 50; INSERT t VALUES (9)"), 1222);
    run(s, "ROLLBACK");
    assert_eq!(run(s, "SELECT @@TRANCOUNT, COUNT(*) FROM t"), ["0|2"]);
    assert_eq!(fails(s, "COMMIT"), 3902);
    run(s, "SET IMPLICIT_TRANSACTIONS ON; INSERT t VALUES (4)");
    assert_eq!(run(s, "SELECT @@TRANCOUNT"), ["1"]);
    run(s, "IF @@TRANCOUNT > 0 ROLLBACK TRAN");
    assert_eq!(run(s, "SET IMPLICIT_TRANSACTIONS OFF; SELECT COUNT(*) FROM t"), ["2"]);
}

#[test]
fn queries_join_group_rank_and_page() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, "CREATE TABLE a (id int, g varchar(5)); INSERT a VALUES (1,'x'),(2,'X'),(3,'y')");
    assert_eq!(run(s, "SELECT g, COUNT(*) FROM a GROUP BY g ORDER BY 2 DESC").len(), 2);
    assert_eq!(
        run(s, "SELECT id, ROW_NUMBER() OVER (PARTITION BY g ORDER BY id DESC) FROM a ORDER BY id"),
        ["1|2", "2|1", "3|1"]
    );
    assert_eq!(run(s, "SELECT id FROM a ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY"), ["2"]);
    assert_eq!(run(s, "WITH c AS (SELECT TOP (2) id FROM a ORDER BY id) SELECT MAX(id) FROM c"), ["2"]);
    assert_eq!(
        run(s, "SELECT a.id, b.id FROM a LEFT JOIN a AS b ON b.id = a.id + 1 ORDER BY a.id"),
        ["1|2", "2|3", "3|NULL"]
    );
    assert_eq!(run(s, "SELECT 1 UNION ALL SELECT 2.5"), ["1.0", "2.5"]);
    assert_eq!(fails(s, "SELECT id, COUNT(*) FROM a"), 8120);
    assert_eq!(fails(s, "SELECT (SELECT id FROM a)"), 512);
    assert_eq!(
        run(
            s,
            "DECLARE @t TABLE (n sysname NULL, i int); INSERT INTO @t SELECT g, id FROM a WHERE id > 1; SELECT SUM(i) FROM @t"
        ),
        ["5"]
    );
    assert_eq!(run(s, "DECLARE @i int = 0; WHILE @i < 3 SET @i += 1; SELECT @i, IIF(@i = 3, 'yes', 'no')"), ["3|yes"]);
    assert_eq!(run(s, "BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH"), ["8134"]);
}

#[test]
fn procedures_take_parameters() {
    let server = Server::start();
    let s = &mut *server.session(51);
    let text = |value: &str| Datum::Text(value.to_owned());
    let kind = crate::sql::types::text_of(true, None, Default::default());
    let given = |value, kind: &Type, output| Parameter {
        name: String::new(),
        r#type: kind.clone(),
        value,
        output,
        default: false,
    };
    let mut parameters = vec![
        given(text("SET @b = @a + 1"), &kind, false),
        given(text("@a int, @b int OUTPUT"), &kind, false),
        given(Datum::Int(4), &Type::Int, false),
        given(Datum::Null, &Type::Int, true),
    ];
    let mut answered = Answered::default();
    s.call("sp_executesql", &mut parameters, &mut answered);
    assert_eq!(answered.values, [Datum::Int(5)]);
    let mut parameters = vec![
        given(Datum::Null, &Type::Int, true),
        given(text("@a int"), &kind, false),
        given(text("SELECT @a"), &kind, false),
        given(Datum::Int(7), &Type::Int, false),
    ];
    let mut answered = Answered::default();
    s.call("sp_prepexec", &mut parameters, &mut answered);
    assert_eq!((answered.rows, answered.values), (vec![vec!["7".to_owned()]], vec![Datum::Int(1)]));
    assert_eq!(fails(s, "EXEC sp_nothing"), 2812);
    assert_eq!(run(s, "EXEC('SELECT 1')"), ["1"]);
}

#[test]
fn change_data_is_captured_and_read() {
    let server = Server::start();
    let s = &mut *server.session(51);
    run(s, "CREATE TABLE dbo.t (id int PRIMARY KEY, v varchar(10)); EXEC sys.sp_cdc_enable_db");
    run(s, "EXEC sys.sp_cdc_enable_table @source_schema = 'dbo', @source_name = 't', @role_name = NULL");
    run(s, "INSERT t VALUES (1, 'a'); UPDATE t SET v = 'b'; DELETE t");
    run(s, "EXEC sys.sp_cdc_scan");
    assert_eq!(
        run(s, "SELECT [__$operation], id, v FROM cdc.dbo_t_CT ORDER BY [__$start_lsn], [__$seqval], [__$operation]"),
        ["2|1|a", "3|1|a", "4|1|b", "1|1|b"]
    );
    assert_eq!(
        run(
            s,
            "SELECT COUNT(*) FROM cdc.fn_cdc_get_all_changes_dbo_t(sys.fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), N'all')"
        ),
        ["3"]
    );
    assert_eq!(fails(s, "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(NULL, sys.fn_cdc_get_max_lsn(), N'all')"), 313);
}

#[test]
fn what_was_committed_is_there_after_a_new_start() {
    let server = Server::start();
    run(&mut *server.session(51), "CREATE TABLE t (id int IDENTITY); INSERT t DEFAULT VALUES");
    let Server { engine, _folder: folder } = server;
    drop(engine);
    let server = Server { engine: open(folder.path()), _folder: folder };
    let s = &mut *server.session(51);
    assert_eq!(run(s, "INSERT t DEFAULT VALUES; SELECT MAX(id), SCOPE_IDENTITY() FROM t"), ["2|2"]);
}

#[test]
fn wrong_passwords_and_databases_are_refused() {
    let server = Server::start();
    let refused = |login: &Login| session::Engine::login(&*server.engine, login).err().map(|error| error.number);
    assert_eq!(refused(&login(60, "sa", "wrong")), Some(18456));
    assert_eq!(refused(&Login { database: "nowhere".to_owned(), ..login(60, "sa", "secret") }), Some(4060));
}
