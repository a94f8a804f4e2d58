//! A server, with the commands of its administrator.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tiberius::{AuthMethod, ColumnData, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

pub(crate) const USER: &str = "sa";
pub(crate) const PASSWORD: &str = "Stand-in_4tests";
pub(crate) const DATABASE: &str = "shop";

/// Ends when it is dropped, or when the test process ends.
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) port: u16,
    /// The number of tables it was started with.
    pub(crate) tables: usize,
    administrator: tiberius::Client<Compat<TcpStream>>,
}

impl Server {
    /// Starts a server with a database for which capture is enabled, and with these captured tables: name, and
    /// definition of the columns.
    pub(crate) async fn start(tables: &[(&str, &str)]) -> Server {
        let mut child = Command::new(binary())
            .args(["--port", "0", "--stepped", "--exit-with-stdin", "--password", PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit_once(':').expect("the address of the stand-in").1.parse().unwrap();
        let mut server =
            Server { child, stdin, port, tables: tables.len(), administrator: connect(port, "master").await };
        server.sql(&format!("CREATE DATABASE {DATABASE}")).await;
        server.administrator = connect(port, DATABASE).await;
        server.sql(&format!("ALTER DATABASE {DATABASE} SET ALLOW_SNAPSHOT_ISOLATION ON")).await;
        server.sql("EXEC sys.sp_cdc_enable_db").await;
        for (table, columns) in tables {
            server.sql(&format!("CREATE TABLE dbo.{table} ({columns})")).await;
            server.capture(table, &format!("dbo_{table}")).await;
        }
        server
    }

    /// The settings of a new login, least, that has only the rights that the README names.
    pub(crate) async fn reader_login(&mut self) -> [(&'static str, &'static str); 2] {
        for sql in [
            "CREATE LOGIN least WITH PASSWORD = 'Reader-1!'",
            "CREATE USER least FOR LOGIN least",
            "GRANT SELECT ON SCHEMA::cdc TO least",
            "GRANT SELECT ON SCHEMA::dbo TO least",
        ] {
            self.sql(sql).await;
        }
        [("database.user", "least"), ("database.password", "Reader-1!")]
    }

    pub(crate) async fn capture(&mut self, table: &str, instance: &str) {
        self.sql(&format!(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL, \
             @capture_instance = N'{instance}'"
        ))
        .await;
    }

    pub(crate) async fn sql(&mut self, sql: &str) {
        let ran = async { self.administrator.simple_query(sql).await?.into_results().await };
        ran.await.unwrap_or_else(|error| panic!("{error} in {sql}"));
    }

    /// The only value of a query, as a whole number.
    pub(crate) async fn number(&mut self, sql: &str) -> i32 {
        let row = self.administrator.simple_query(sql).await.unwrap().into_row().await.unwrap().expect("a row");
        match row.into_iter().next() {
            Some(ColumnData::I32(Some(number))) => number,
            other => panic!("{other:?} is no number"),
        }
    }

    /// The only value of a query, as bytes.
    pub(crate) async fn bytes(&mut self, sql: &str) -> Vec<u8> {
        let row = self.administrator.simple_query(sql).await.unwrap().into_row().await.unwrap().expect("a row");
        match row.into_iter().next() {
            Some(ColumnData::Binary(Some(bytes))) => bytes.into_owned(),
            other => panic!("{other:?} is no bytes"),
        }
    }

    /// What an application has asked since `standin.count_requests`: the beginning of each statement, and how often.
    pub(crate) async fn requests(&mut self, application: &str) -> Vec<(String, i64)> {
        let rows = self.administrator.simple_query("EXEC standin.requests").await.unwrap().into_first_result().await;
        let rows = rows.unwrap().into_iter().map(|row| row.into_iter().collect::<Vec<_>>());
        let counted = rows.filter_map(|row| match &row[..] {
            [ColumnData::String(Some(who)), ColumnData::String(Some(what)), ColumnData::I64(Some(count))] => {
                (who == application).then(|| (what.to_string(), *count))
            }
            other => panic!("{other:?} is no count of requests"),
        });
        counted.collect()
    }

    /// Runs statements, and then captures everything that is committed.
    pub(crate) async fn change(&mut self, statements: &[&str]) {
        for statement in statements {
            self.sql(statement).await;
        }
        self.scan().await;
    }

    /// Locks a table until the connection is dropped.
    pub(crate) async fn lock(&self, table: &str) -> impl Sized + use<> {
        let mut session = connect(self.port, DATABASE).await;
        let sql = format!("BEGIN TRANSACTION; SELECT COUNT(*) FROM dbo.{table} WITH (TABLOCKX, HOLDLOCK)");
        session.simple_query(sql).await.unwrap().into_results().await.unwrap();
        session
    }

    /// The last entry of an idle log: SQL Server makes one every five minutes.
    pub(crate) const IDLE: &str = "SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_id = 0x00";

    /// Lets some minutes pass without a change. Returns the position of the log's entry, as Debezium prints it.
    pub(crate) async fn pass_idle_time(&mut self) -> String {
        self.sql("EXEC standin.clock @advance_ms = 301000").await;
        self.scan().await;
        let position: String = self.bytes(Self::IDLE).await.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{}:{}", &position[..8], &position[8..16], &position[16..])
    }

    pub(crate) async fn scan(&mut self) {
        self.sql("EXEC sys.sp_cdc_scan").await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

async fn connect(port: u16, database: &str) -> tiberius::Client<Compat<TcpStream>> {
    let mut config = Config::new();
    config.authentication(AuthMethod::sql_server(USER, PASSWORD));
    config.encryption(EncryptionLevel::NotSupported);
    config.database(database);
    config.application_name("administrator");
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    Box::pin(tiberius::Client::connect(config, stream.compat_write())).await.unwrap()
}

/// The stand-in's program in the target folder of this test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("sqlserver-standin");
    assert!(
        binary.is_file(),
        "{} is not built: cargo build --release --manifest-path tests/sqlserver-standin/Cargo.toml --target-dir target",
        binary.display()
    );
    binary
}
