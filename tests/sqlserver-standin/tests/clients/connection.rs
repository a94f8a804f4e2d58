//! A connection of tiberius.

use std::net::SocketAddr;

use sqlserver_standin::{Standin, USER};
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, Row, error::Error};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

pub(crate) type Connection = Client<Compat<TcpStream>>;

/// Who connects, and how; the administrator without encryption, unless it is said.
pub(crate) struct Caller<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) database: &'a str,
    pub(crate) application: &'a str,
    pub(crate) encryption: EncryptionLevel,
}

impl<'a> Caller<'a> {
    pub(crate) fn administrator(standin: &'a Standin) -> Caller<'a> {
        Caller {
            user: USER,
            password: standin.password(),
            database: "master",
            application: "clients",
            encryption: EncryptionLevel::NotSupported,
        }
    }

    pub(crate) async fn connect(&self, standin: &Standin) -> Result<Connection, Error> {
        let mut config = self.config();
        config.port(standin.address().port());
        config.trust_cert_ca_bundle(standin.certificate_pem());
        open(config, standin.address()).await
    }

    /// To a server of another process, without encryption.
    pub(crate) async fn connect_to(&self, address: SocketAddr) -> Result<Connection, Error> {
        open(self.config(), address).await
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1");
        config.authentication(AuthMethod::sql_server(self.user, self.password));
        config.database(self.database);
        config.application_name(self.application);
        config.encryption(self.encryption);
        config
    }
}

async fn open(config: Config, address: SocketAddr) -> Result<Connection, Error> {
    let stream = TcpStream::connect(address).await?;
    Box::pin(Client::connect(config, stream.compat_write())).await
}

/// The administrator in database `shop`, which has `dbo.t (id int primary key)` with three rows.
pub(crate) async fn shop() -> (Standin, Connection) {
    let standin = Standin::start().unwrap();
    let mut client = Caller::administrator(&standin).connect(&standin).await.unwrap();
    for sql in [
        "CREATE DATABASE shop",
        "USE shop",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)",
        "INSERT INTO dbo.t VALUES (1), (2), (3)",
    ] {
        run(&mut client, sql).await.unwrap();
    }
    (standin, client)
}

pub(crate) async fn another(standin: &Standin) -> Connection {
    Caller { database: "shop", ..Caller::administrator(standin) }.connect(standin).await.unwrap()
}

pub(crate) async fn run(client: &mut Connection, sql: &str) -> Result<Vec<Vec<Row>>, Error> {
    client.simple_query(sql).await?.into_results().await
}

/// The first value of the first row.
pub(crate) async fn value(client: &mut Connection, sql: &str) -> Result<ColumnData<'static>, Error> {
    let row = client.simple_query(sql).await?.into_row().await?.unwrap();
    Ok(row.cells().next().unwrap().1.clone())
}

pub(crate) async fn count(client: &mut Connection, sql: &str) -> i32 {
    match value(client, sql).await.unwrap() {
        ColumnData::I32(Some(count)) => count,
        other => panic!("no count: {other:?}"),
    }
}

/// The number of the server's error.
pub(crate) fn number<T>(result: Result<T, Error>) -> u32 {
    match result {
        Err(Error::Server(token)) => token.code(),
        Err(other) => panic!("not an error of the server: {other}"),
        Ok(_) => panic!("no error"),
    }
}
