use super::ast::{Expr, StatementKind};
use super::{batch, default_text, expression};

#[test]
fn what_debezium_and_its_driver_send_parses() {
    for sql in [
        "SELECT name FROM sys.databases WHERE name = @P0",
        "SELECT @@VERSION",
        "EXEC [shop].sys.sp_cdc_help_change_data_capture",
        "SELECT COUNT(*) FROM [shop].cdc.change_tables",
        "WITH ordered_change_tables AS (SELECT ROW_NUMBER() OVER (PARTITION BY ct.source_object_id, ct.start_lsn ORDER BY ct.create_date DESC) AS ct_sequence, ct.* FROM [shop].cdc.change_tables AS ct WHERE ct.start_lsn <= @P0) SELECT OBJECT_SCHEMA_NAME(source_object_id, DB_ID(@P1)), OBJECT_NAME(source_object_id, DB_ID(@P2)), capture_instance, object_id, start_lsn FROM ordered_change_tables WHERE ct_sequence = 1",
        "SELECT MAX(start_lsn) FROM (SELECT TOP (@P0 + 1) start_lsn FROM [shop].cdc.lsn_time_mapping WHERE start_lsn >= @P1 AND tran_id <> 0x00 ORDER BY start_lsn) as next_lsns",
        "SELECT cdc_data.[__$start_lsn], TODATETIMEOFFSET(ltm.tran_end_time, DATEPART(TZOFFSET, SYSDATETIMEOFFSET())) FROM [shop].cdc.[dbo_t_CT] AS cdc_data LEFT JOIN [shop].cdc.lsn_time_mapping ltm ON ltm.start_lsn = cdc_data.[__$start_lsn] WHERE ((cdc_data.[__$start_lsn] = @P0 AND cdc_data.[__$seqval] = @P1) OR (cdc_data.[__$start_lsn] > @P2)) AND cdc_data.[__$operation] NOT IN (3, 4) ORDER BY cdc_data.[__$start_lsn], [__$command_id] OPTION(RECOMPILE)",
        "SELECT TOP(0) * FROM [shop].[dbo].[t] WITH (TABLOCKX)",
        "set implicit_transactions on",
        "IF @@TRANCOUNT > 0 COMMIT TRAN",
        "IF @@TRANCOUNT = 0 BEGIN BEGIN TRAN IF @@TRANCOUNT = 2 COMMIT TRAN END SAVE TRAN dbz_schema_snapshot",
        "SET LOCK_TIMEOUT -1",
        "set transaction isolation level snapshot",
        "SELECT PARSE(@P0 AS datetime2)",
        "DECLARE @mssqljdbc_temp_sp_columns_result TABLE(TABLE_QUALIFIER SYSNAME, TABLE_NAME SYSNAME NULL, C INT);INSERT INTO @mssqljdbc_temp_sp_columns_result EXEC sp_columns_100 @P0,@P1,@P2;SELECT TABLE_QUALIFIER AS TABLE_CAT FROM @mssqljdbc_temp_sp_columns_result;",
        "SELECT CAST(SERVERPROPERTY('EngineEdition') as INT)",
        "EXEC sp_unprepare 1",
        "use [shop]",
        "CREATE TABLE dbo.t (id int IDENTITY(1,1) NOT NULL PRIMARY KEY NONCLUSTERED, v varchar(max) NULL DEFAULT 'x', n decimal(18, 4), CONSTRAINT uq UNIQUE CLUSTERED (v ASC), c AS (n * 2) PERSISTED)",
        "CREATE UNIQUE NONCLUSTERED INDEX ix ON dbo.t (a, b DESC) INCLUDE (c) WITH (ONLINE = ON)",
        "ALTER TABLE t ALTER COLUMN c INT NOT NULL",
        "ALTER TABLE t ADD CONSTRAINT d DEFAULT (1) FOR c",
        "ALTER DATABASE shop SET ALLOW_SNAPSHOT_ISOLATION ON",
        "ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE",
        "INSERT INTO t (a) OUTPUT inserted.id VALUES (1), (DEFAULT)",
        "UPDATE TOP (5) t SET a = a + 1, @x = b = 3, c += 1 OUTPUT deleted.a FROM t JOIN u ON t.id = u.id WHERE u.z = 1",
        "DELETE t FROM dbo.t AS t WHERE EXISTS (SELECT 1 FROM u)",
        "BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH THROW END CATCH",
        "sp_help 'dbo.t'",
        "GRANT SELECT, INSERT ON SCHEMA::dbo TO reader",
    ] {
        if let Err(error) = batch(sql, true) {
            panic!("{sql}: {error:?}");
        }
    }
}

#[test]
fn errors_are_near_the_token_with_its_line() {
    let error = batch("SELECT 1\nSELEC 2 FROM", true).unwrap_err();
    assert_eq!((error.number, error.line, error.message.as_str()), (102, 2, "Incorrect syntax near '2'."));
    let error = batch("SELECT * FROM WHERE a = 1", true).unwrap_err();
    assert_eq!((error.number, error.message.as_str()), (156, "Incorrect syntax near the keyword 'WHERE'."));
    let error = batch("SELECT 'abc", true).unwrap_err();
    assert_eq!(error.number, 105);
    let error = batch("SELECT ((((1)", true).unwrap_err();
    assert_eq!(error.number, 102);
}

#[test]
fn nesting_ends_with_an_error_and_not_the_stack() {
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(batch(&deep, true).unwrap_err().number, 191);
}

#[test]
fn defaults_are_shown_as_the_catalogue_shows_them() {
    for (written, shown) in [
        ("1", "((1))"),
        ("-1.5", "((-1.5))"),
        ("'it''s'", "('it''s')"),
        ("N'x'", "(N'x')"),
        ("NULL", "(NULL)"),
        ("GETDATE()", "(getdate())"),
        ("0x01", "(0x01)"),
        ("CAST('2020-01-01' AS date)", "(CONVERT([date],'2020-01-01'))"),
    ] {
        assert_eq!(default_text(&expression(written).unwrap()), shown);
    }
}

#[test]
fn a_quoted_identifier_is_a_text_when_the_session_says_so() {
    let kind = |on| batch("SELECT \"a\"", on).unwrap().remove(0).kind;
    let first = |kind| match kind {
        StatementKind::Query(query) => match query.body {
            super::ast::QueryBody::Select(select) => match select.items.into_iter().next() {
                Some(super::ast::SelectItem::Expr { expr, .. }) => expr,
                _ => panic!("no expression"),
            },
            super::ast::QueryBody::Set { .. } => panic!("no select"),
        },
        _ => panic!("no query"),
    };
    assert!(matches!(first(kind(true)), Expr::Column(_)));
    assert!(matches!(first(kind(false)), Expr::Literal(_)));
}

mod random {
    use proptest::prelude::*;

    use super::batch;

    const WORDS: [&str; 48] = [
        "SELECT", "FROM", "WHERE", "(", ")", ",", "*", "t", "[a b]", "@x", "1", "'s'", "N'é'", "0x0A", "JOIN", "ON",
        "=", "AND", "NOT", "IN", "CASE", "WHEN", "THEN", "END", "BEGIN", "TRY", "CATCH", "INSERT", "INTO", "VALUES",
        "UPDATE", "SET", "DELETE", "CREATE", "TABLE", "ALTER", "ADD", "DROP", "EXEC", "DECLARE", "int", "AS", ".", ";",
        "-", "OVER", "ORDER BY", "WITH",
    ];

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,200}", quoted: bool) {
            let _ = batch(&text, quoted);
        }

        #[test]
        fn any_words_are_parsed_or_refused(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..60)) {
            let _ = batch(&words.join(" "), true);
        }
    }

    #[test]
    fn what_nests_without_end_is_refused() {
        for (open, close) in [
            ("(", ")"),
            ("NOT ", ""),
            ("-", ""),
            ("CASE WHEN 1=1 THEN ", " END"),
            ("BEGIN ", " END"),
            ("IF 1=1 ", ""),
            ("(SELECT ", ")"),
        ] {
            let text = format!("SELECT {}1{}", open.repeat(3000), close.repeat(3000));
            let _ = batch(&text, true);
            let text = format!("{}SELECT 1{}", open.repeat(3000), close.repeat(3000));
            let _ = batch(&text, true);
        }
    }
}
