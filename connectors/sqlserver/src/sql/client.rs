use std::net::SocketAddr;

use futures::{StreamExt, TryStreamExt};
use tiberius::error::Error as DriverError;
use tiberius::{Query, QueryItem, QueryStream};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};
use tributary_api::{Error, Result};

use super::error::classified;
use super::{Cells, Login, Parameter};

/// How many times a server may redirect a client to another address.
const ROUTES: usize = 3;

/// Isolation level of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Snapshot,
}

impl Isolation {
    fn statement(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            Self::ReadCommitted => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            Self::Snapshot => "SET TRANSACTION ISOLATION LEVEL SNAPSHOT",
        }
    }
}

/// One connection, which runs one statement at a time.
pub(crate) struct Client {
    driver: tiberius::Client<Compat<TcpStream>>,
    /// Whether the last answer was read completely. It stays false if a statement is cancelled half-way.
    idle: bool,
    /// Whether session settings were changed that the next user of the connection would not expect.
    pub(super) changed: bool,
}

impl Client {
    /// Connects and logs in, following the server's redirections.
    pub(crate) async fn connect(login: &Login) -> Result<Self> {
        let (mut host, mut port) = (login.host.clone(), login.port);
        for _ in 0..ROUTES {
            let attempt = format!("cannot connect to SQL Server at {host}:{port} (database.hostname, database.port)");
            let connected = timeout(login.login_timeout, open(login, &host, port)).await;
            match connected {
                Ok(Ok(driver)) => return Ok(Self { driver, idle: true, changed: false }),
                Ok(Err(DriverError::Routing { host: other, port: its })) => (host, port) = (other, its),
                Ok(Err(error)) => return Err(classified(&error, &attempt)),
                Err(_) => {
                    return Err(Error::retriable(format!("{attempt}: no answer within {:?}", login.login_timeout)));
                }
            }
        }
        Err(Error::retriable(format!(
            "SQL Server redirected the connection more than {ROUTES} times, at last to {host}:{port}"
        )))
    }

    /// Whether the connection can go back to the pool.
    pub(super) fn is_clean(&self) -> bool {
        self.idle && !self.changed
    }

    /// The rows of a statement that returns one result.
    pub(crate) async fn query(&mut self, sql: &str, parameters: Vec<Parameter>) -> Result<Vec<Cells>> {
        Ok(self.results(sql, parameters).await?.into_iter().flatten().collect())
    }

    /// The rows of each result that has columns.
    pub(crate) async fn results(&mut self, sql: &str, parameters: Vec<Parameter>) -> Result<Vec<Vec<Cells>>> {
        self.try_results(sql, parameters).await.map_err(|error| failed(&error, sql))
    }

    /// As [`results`](Self::results), with the driver's own error.
    pub(crate) async fn try_results(
        &mut self,
        sql: &str,
        parameters: Vec<Parameter>,
    ) -> std::result::Result<Vec<Vec<Cells>>, DriverError> {
        self.idle = false;
        let mut results: Vec<Vec<Cells>> = Vec::new();
        let mut stream = Self::send(&mut self.driver, sql, parameters).await?;
        while let Some(item) = stream.try_next().await? {
            match item {
                QueryItem::Metadata(_) => results.push(Vec::new()),
                QueryItem::Row(row) => match results.last_mut() {
                    Some(rows) => rows.push(Cells::of(row)),
                    None => results.push(vec![Cells::of(row)]),
                },
            }
        }
        drop(stream);
        self.idle = true;
        Ok(results)
    }

    /// The rows of a statement that returns one result; `None` if there are more than `most`. Then the connection cannot be
    /// used again.
    pub(crate) async fn try_rows(
        &mut self,
        sql: &str,
        parameters: Vec<Parameter>,
        most: usize,
    ) -> std::result::Result<Option<Vec<Cells>>, DriverError> {
        self.idle = false;
        let mut rows = Vec::new();
        let mut stream = Self::send(&mut self.driver, sql, parameters).await?;
        while let Some(item) = stream.try_next().await? {
            let QueryItem::Row(row) = item else { continue };
            if rows.len() == most {
                return Ok(None);
            }
            rows.push(Cells::of(row));
        }
        drop(stream);
        self.idle = true;
        Ok(Some(rows))
    }

    /// Streams the rows of a statement. If they are not read to the end, the connection cannot be used again.
    pub(crate) async fn rows(&mut self, sql: &str, parameters: Vec<Parameter>) -> Result<Rows<'_>> {
        self.idle = false;
        match Self::send(&mut self.driver, sql, parameters).await {
            Ok(stream) => Ok(Rows { stream, idle: &mut self.idle, sql: sql.to_owned(), columns: Vec::new() }),
            Err(error) => Err(failed(&error, sql)),
        }
    }

    /// Runs a statement that returns no rows, such as one that begins a transaction or changes a setting.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<()> {
        self.changed = true;
        self.idle = false;
        let ran = async { self.driver.simple_query(sql).await?.into_results().await };
        ran.await.map_err(|error| failed(&error, sql))?;
        self.idle = true;
        Ok(())
    }

    /// Sets the isolation level of the transactions that begin from now on.
    pub(crate) async fn isolate(&mut self, isolation: Isolation) -> Result<()> {
        self.run(isolation.statement()).await
    }

    async fn send<'a>(
        driver: &'a mut tiberius::Client<Compat<TcpStream>>,
        sql: &str,
        parameters: Vec<Parameter>,
    ) -> std::result::Result<QueryStream<'a>, DriverError> {
        if parameters.is_empty() {
            return driver.simple_query(sql.to_owned()).await;
        }
        let mut query = Query::new(sql.to_owned());
        for parameter in parameters {
            parameter.bind(&mut query);
        }
        query.query(driver).await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("idle", &self.idle).finish_non_exhaustive()
    }
}

/// The rows of one result, read one by one.
pub(crate) struct Rows<'a> {
    stream: QueryStream<'a>,
    idle: &'a mut bool,
    sql: String,
    columns: Vec<String>,
}

impl Rows<'_> {
    /// The names of the columns; empty until the first row was read.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Cells>> {
        loop {
            match self.stream.next().await {
                Some(Ok(QueryItem::Row(row))) => return Ok(Some(Cells::of(row))),
                Some(Ok(QueryItem::Metadata(metadata))) => {
                    self.columns = metadata.columns().iter().map(|column| column.name().to_owned()).collect();
                }
                Some(Err(error)) => return Err(failed(&error, &self.sql)),
                None => {
                    *self.idle = true;
                    return Ok(None);
                }
            }
        }
    }
}

/// How many bytes of a statement an error message quotes.
const SHOWN: usize = 200;

fn failed(error: &DriverError, sql: &str) -> Error {
    let end = sql.floor_char_boundary(SHOWN);
    let cut = if end < sql.len() { ".." } else { "" };
    classified(error, &format!("SQL Server refused or did not finish {:?}{cut}", &sql[..end]))
}

async fn open(
    login: &Login,
    host: &str,
    port: u16,
) -> std::result::Result<tiberius::Client<Compat<TcpStream>>, DriverError> {
    let stream = reach(login, host, port).await?;
    stream.set_nodelay(true)?;
    Box::pin(tiberius::Client::connect(login.config(host, port), stream.compat_write())).await
}

/// A name may resolve to one address in each subnet, of which only one answers.
async fn reach(login: &Login, host: &str, port: u16) -> std::io::Result<TcpStream> {
    if !login.multi_subnet_failover {
        return TcpStream::connect((host, port)).await;
    }
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    let mut attempts = JoinSet::new();
    for address in addresses {
        attempts.spawn(TcpStream::connect(address));
    }
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}
