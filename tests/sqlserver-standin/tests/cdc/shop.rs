//! A database with captured tables, scanned only when a test says so.

use sqlserver_standin::{Capture, Clock, Local, Standin, data::Datum};

/// 2024-03-01 12:00:00 UTC
const NOON: i64 = 1_709_294_400_000_000_000;

pub(crate) struct Shop {
    pub(crate) standin: Standin,
    pub(crate) session: Local,
}

impl Shop {
    /// Database `shop`, enabled, without a table.
    pub(crate) fn new() -> Shop {
        let clock = Clock::stopped(NOON);
        let standin = Standin::builder().capture(Capture::Stepped).clock(clock).start().unwrap();
        let mut master = standin.local("master").unwrap();
        master.run("CREATE DATABASE shop").unwrap();
        let mut session = standin.local("shop").unwrap();
        session.run("EXEC sys.sp_cdc_enable_db").unwrap();
        Shop { standin, session }
    }

    /// With `dbo.t (id int primary key, name varchar(20), note nvarchar(max))`, captured.
    pub(crate) fn with_table() -> Shop {
        let mut shop = Shop::new();
        shop.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name varchar(20) NULL, note nvarchar(max) NULL)");
        shop.enable("t");
        shop
    }

    pub(crate) fn enable(&mut self, table: &str) {
        self.run(&format!(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL"
        ));
    }

    pub(crate) fn run(&mut self, sql: &str) {
        if let Err(error) = self.session.run(sql) {
            panic!("{error}\n{sql}");
        }
    }

    pub(crate) fn query(&mut self, sql: &str) -> Vec<Vec<Datum>> {
        self.session.query(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The only value of the only row.
    pub(crate) fn value(&mut self, sql: &str) -> Datum {
        let rows = self.query(sql);
        match &rows[..] {
            [row] if row.len() == 1 => row[0].clone(),
            other => panic!("not one value: {other:?}\n{sql}"),
        }
    }

    /// The number of the error that a batch ends with.
    pub(crate) fn error(&mut self, sql: &str) -> i32 {
        match self.session.run(sql) {
            Err(error) => error.number,
            Ok(results) => panic!("no error but {results:?}\n{sql}"),
        }
    }

    pub(crate) fn scan(&mut self) -> u64 {
        self.standin.scan("shop").unwrap()
    }

    /// Operation and mask of what is in a change table, in order.
    pub(crate) fn operations(&mut self, instance: &str) -> Vec<i32> {
        let sql = format!(
            "SELECT __$operation FROM cdc.[{instance}_CT] ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation"
        );
        self.query(&sql).into_iter().flatten().map(int).collect()
    }
}

pub(crate) fn int(value: Datum) -> i32 {
    match value {
        Datum::Int(n) => n,
        other => panic!("no int: {other:?}"),
    }
}

pub(crate) fn text(text: &str) -> Datum {
    Datum::Text(text.to_owned())
}
