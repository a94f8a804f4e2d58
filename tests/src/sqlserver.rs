use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};
use tiberius::{AuthMethod, ColumnData, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use crate::tributary::binary;

const PROGRAM: &str = "sqlserver-standin";

/// The stand-in for SQL Server (`tests/sqlserver-standin`), as a process: its SQLite must not be linked with libsql. It ends
/// when it is dropped, and when the test process does.
#[derive(Debug)]
pub struct SqlServer {
    child: Child,
    stdin: Option<ChildStdin>,
    port: u16,
}

impl SqlServer {
    /// The administrator.
    pub const USER: &str = "sa";
    /// The administrator's password.
    pub const PASSWORD: &str = "Stand-in_4tests";

    /// Starts one on a free port with further arguments of the program, such as `--stepped`.
    pub async fn start(arguments: &[&str]) -> Result<Self> {
        let program = binary(PROGRAM).with_context(|| {
            format!("build it: cargo build --release --manifest-path tests/{PROGRAM}/Cargo.toml --target-dir target")
        })?;
        let mut child = Command::new(program)
            .args(["--port", "0", "--exit-with-stdin", "--password", Self::PASSWORD])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("run the stand-in for SQL Server")?;
        let stdin = child.stdin.take();
        let output = child.stdout.take().context("the stand-in has no output")?;
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = line.await?.context("read the address of the stand-in")?;
        let port = line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = port.with_context(|| format!("the stand-in says {line:?} instead of its address"))?;
        Ok(Self { child, stdin, port })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a database that is captured, and connects to it.
    pub async fn create_captured(&self, database: &str) -> Result<SqlClient> {
        self.connect("master").await?.run(&format!("CREATE DATABASE {database}")).await?;
        let mut client = self.connect(database).await?;
        client.run(&format!("ALTER DATABASE {database} SET ALLOW_SNAPSHOT_ISOLATION ON")).await?;
        client.run("EXEC sys.sp_cdc_enable_db").await?;
        Ok(client)
    }

    /// A connection of the administrator to a database.
    pub async fn connect(&self, database: &str) -> Result<SqlClient> {
        let mut config = Config::new();
        config.authentication(AuthMethod::sql_server(Self::USER, Self::PASSWORD));
        config.encryption(EncryptionLevel::NotSupported);
        config.database(database);
        config.application_name("administrator");
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("connect to the stand-in")?;
        stream.set_nodelay(true)?;
        let client = Box::pin(tiberius::Client::connect(config, stream.compat_write())).await;
        Ok(SqlClient { client: client.with_context(|| format!("log in to {database}"))? })
    }
}

impl Drop for SqlServer {
    fn drop(&mut self) {
        self.stdin = None;
        if let Err(error) = self.child.wait() {
            eprintln!("could not wait for the end of the stand-in: {error}");
        }
    }
}

/// A connection to SQL Server.
#[derive(Debug)]
pub struct SqlClient {
    client: tiberius::Client<Compat<TcpStream>>,
}

impl SqlClient {
    /// Runs a batch, and ignores its rows.
    pub async fn run(&mut self, sql: &str) -> Result<()> {
        let ran = async { self.client.simple_query(sql).await?.into_results().await };
        Box::pin(ran).await.map(drop).with_context(|| format!("run {}", start_of(sql)))
    }

    /// Lets a table of schema `dbo` be captured by an instance of this name.
    pub async fn capture(&mut self, table: &str, instance: &str) -> Result<()> {
        self.run(&format!(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL, \
             @capture_instance = N'{instance}'"
        ))
        .await
    }

    /// Captures everything that is committed, on a server that captures only on request.
    pub async fn scan(&mut self) -> Result<()> {
        self.run("EXEC sys.sp_cdc_scan").await
    }

    /// The only value of a query that answers with a binary one.
    pub async fn bytes(&mut self, sql: &str) -> Result<Vec<u8>> {
        match self.value(sql).await? {
            ColumnData::Binary(Some(bytes)) => Ok(bytes.into_owned()),
            other => bail!("{other:?} is not binary: {}", start_of(sql)),
        }
    }

    /// The only value of a query that answers with a whole number.
    pub async fn number(&mut self, sql: &str) -> Result<i64> {
        match self.value(sql).await? {
            ColumnData::I32(Some(number)) => Ok(number.into()),
            ColumnData::I64(Some(number)) => Ok(number),
            other => bail!("{other:?} is no number: {}", start_of(sql)),
        }
    }

    /// From now on what clients ask is counted, from zero; the stand-in alone can do so.
    pub async fn count_requests(&mut self) -> Result<()> {
        self.run("EXEC standin.count_requests").await
    }

    /// What an application has asked since then: the beginning of each statement, and how often.
    pub async fn requests(&mut self, application: &str) -> Result<Vec<(String, i64)>> {
        let asked = async { self.client.simple_query("EXEC standin.requests").await?.into_first_result().await };
        let rows = Box::pin(asked).await.context("ask for the requests")?;
        let counted = rows.into_iter().map(|row| {
            let mut cells = row.into_iter();
            match (cells.next(), cells.next(), cells.next()) {
                (
                    Some(ColumnData::String(Some(who))),
                    Some(ColumnData::String(Some(what))),
                    Some(ColumnData::I64(Some(count))),
                ) => Ok((who == application).then(|| (what.into_owned(), count))),
                other => bail!("{other:?} is no count of requests"),
            }
        });
        counted.filter_map(Result::transpose).collect()
    }

    async fn value(&mut self, sql: &str) -> Result<ColumnData<'static>> {
        let asked = async { self.client.simple_query(sql).await?.into_row().await };
        let row = Box::pin(asked).await.with_context(|| format!("ask {}", start_of(sql)))?;
        row.and_then(|row| row.into_iter().next()).with_context(|| format!("no row for {}", start_of(sql)))
    }
}

/// Enough of a statement to know it by.
fn start_of(sql: &str) -> &str {
    sql.char_indices().nth(300).map_or(sql, |(end, _)| &sql[..end])
}
