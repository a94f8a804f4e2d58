//! tiberius reads what the wire writes, plain and encrypted.

use std::time::Duration;

use futures::StreamExt as _;
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, error::Error};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

use super::engine::{server, server_with};
use crate::{
    data::{DateTime2, Datum},
    faults::{Action, Fault, On},
    wire::{Encryption, Server},
};

type Connection = Client<Compat<TcpStream>>;

async fn connect(server: &Server, encryption: EncryptionLevel, password: &str) -> Result<Connection, Error> {
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(server.address().port());
    config.authentication(AuthMethod::sql_server("sa", password));
    config.encryption(encryption);
    config.trust_cert_ca_bundle(server.certificate_pem());
    let stream = TcpStream::connect(server.address()).await.unwrap();
    Box::pin(Client::connect(config, stream.compat_write())).await
}

async fn plain(server: &Server) -> Connection {
    connect(server, EncryptionLevel::NotSupported, "Secret1!").await.unwrap()
}

async fn count(client: &mut Connection, sql: &str) -> Result<usize, Error> {
    Ok(client.simple_query(sql).await?.into_first_result().await?.len())
}

fn server_error(error: &Error) -> (u32, u32) {
    match error {
        Error::Server(token) => (token.code(), token.line()),
        other => panic!("not an error of the server: {other}"),
    }
}

#[tokio::test]
async fn rows_arrive_however_the_connection_is_encrypted() {
    for (server_side, client_side) in [
        (Encryption::Optional, EncryptionLevel::NotSupported),
        (Encryption::Optional, EncryptionLevel::Off),
        (Encryption::Optional, EncryptionLevel::On),
        (Encryption::Required, EncryptionLevel::Required),
        (Encryption::NotSupported, EncryptionLevel::NotSupported),
        (Encryption::Strict, EncryptionLevel::Strict),
    ] {
        let (server, _) = server(server_side);
        let mut client = connect(&server, client_side, "Secret1!").await.unwrap();
        let rows = client.simple_query("ROWS 20000").await.unwrap().into_first_result().await.unwrap();
        assert_eq!(rows.len(), 20000, "{server_side:?} {client_side:?}");
        assert_eq!(rows[19999].get::<i32, _>(0), Some(19999));
        assert_eq!(rows[19999].get::<&str, _>(1), Some("row 19999"));
        assert_eq!(rows[19998].get::<&str, _>(1), None);
        assert_eq!(rows[19998].get::<f64, _>(2), Some(9999.0));
    }
}

#[tokio::test]
async fn a_server_that_wants_encryption_does_not_go_without() {
    for (server_side, client_side) in [
        (Encryption::Required, EncryptionLevel::NotSupported),
        (Encryption::Strict, EncryptionLevel::On),
        (Encryption::NotSupported, EncryptionLevel::Required),
    ] {
        let (server, _) = server(server_side);
        assert!(connect(&server, client_side, "Secret1!").await.is_err(), "{server_side:?} {client_side:?}");
    }
}

#[tokio::test]
async fn errors_come_with_their_numbers_and_lines() {
    let (server, _) = server(Encryption::Optional);
    let refused = connect(&server, EncryptionLevel::Off, "wrong").await.err().unwrap();
    assert_eq!(server_error(&refused).0, 18456);
    let mut client = plain(&server).await;
    assert_eq!(server_error(&count(&mut client, "FAIL").await.unwrap_err()), (208, 3));
    assert_eq!(server_error(&count(&mut client, "NONSENSE").await.unwrap_err()).0, 102);
    assert_eq!(count(&mut client, "ROWS 3").await.unwrap(), 3, "the connection goes on");
    assert_eq!(server_error(&count(&mut client, "DIE").await.unwrap_err()).0, 823);
    assert!(count(&mut client, "ROWS 3").await.is_err(), "after such an error it does not");
}

#[tokio::test]
async fn every_type_is_read_as_it_was_written() {
    for seed in 0..4 {
        let (server, _) = server_with(Encryption::NotSupported, seed, 1 << 20);
        let mut client = plain(&server).await;
        for (index, (r#type, value)) in super::values::samples().into_iter().enumerate() {
            let row = client.simple_query(format!("VALUES {index}")).await.unwrap().into_row().await.unwrap().unwrap();
            let (_, read) = row.cells().next().unwrap();
            assert!(same(&value, read), "{type:?}: {value:?} was read as {read:?}");
        }
    }
}

fn same(value: &Datum, read: &ColumnData<'static>) -> bool {
    let text = |text: &str| matches!(read, ColumnData::String(Some(read)) if read == text);
    match (value, read) {
        (Datum::Bit(a), ColumnData::Bit(Some(b))) => a == b,
        (Datum::TinyInt(a), ColumnData::U8(Some(b))) => a == b,
        (Datum::SmallInt(a), ColumnData::I16(Some(b))) => a == b,
        (Datum::Int(a), ColumnData::I32(Some(b))) => a == b,
        (Datum::BigInt(a), ColumnData::I64(Some(b))) => a == b,
        (Datum::Real(a), ColumnData::F32(Some(b))) => a == b,
        (Datum::Float(a), ColumnData::F64(Some(b))) => a == b,
        // The client has no type for it.
        (Datum::Money(a), ColumnData::F64(Some(b))) => *a as f64 / 1e4 == *b,
        (Datum::Decimal(a), ColumnData::Numeric(Some(b))) => (a.unscaled, a.scale) == (b.value(), b.scale()),
        (Datum::Text(a), ColumnData::String(_)) => text(a),
        (Datum::Bytes(a), ColumnData::Binary(Some(b))) => a[..] == b[..],
        (Datum::Guid(a), ColumnData::Guid(Some(b))) => a == b.as_bytes(),
        (Datum::Xml(a), ColumnData::Xml(Some(b))) => a == b.as_ref().as_ref(),
        (Datum::Date(a), ColumnData::Date(Some(b))) => a.0 as u32 == b.days(),
        (Datum::Time(a), ColumnData::Time(Some(b))) => a.0 == ticks(b),
        (Datum::SmallDateTime(a), ColumnData::SmallDateTime(Some(b))) => {
            (a.days, a.minutes) == (b.days(), b.seconds_fragments())
        }
        (Datum::DateTime(a), ColumnData::DateTime(Some(b))) => (a.days, a.ticks) == (b.days(), b.seconds_fragments()),
        (Datum::DateTime2(a), ColumnData::DateTime2(Some(b))) => same_moment(a, b),
        (Datum::DateTimeOffset(a), ColumnData::DateTimeOffset(Some(b))) => {
            a.offset == b.offset() && same_moment(&a.utc, &b.datetime2())
        }
        _ => false,
    }
}

fn same_moment(a: &DateTime2, b: &tiberius::time::DateTime2) -> bool {
    (a.date.0 as u32, a.time.0) == (b.date().days(), ticks(&b.time()))
}

fn ticks(time: &tiberius::time::Time) -> u64 {
    time.increments() * 10_u64.pow(7 - u32::from(time.scale()))
}

#[tokio::test]
async fn parameters_arrive() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = plain(&server).await;
    let guid = uuid::Uuid::from_bytes(*b"\x6f\x96\x19\xff\x8b\x86\xd0\x11\xb4\x2d\x00\xc0\x4f\xc9\x64\xff");
    let long = "ż".repeat(9000);
    let bytes = [1_u8, 2, 3];
    let answer = client
        .query("ignored", &[&5_i32, &Option::<i32>::None, &"żółw", &long, &guid, &bytes.as_slice(), &true, &2.5_f64])
        .await
        .unwrap();
    let row = answer.into_row().await.unwrap().unwrap();
    assert_eq!(row.get::<i32, _>(0), Some(5));
    assert_eq!(row.get::<i32, _>(1), None);
    assert_eq!(row.get::<&str, _>(2), Some("żółw"));
    assert_eq!(row.get::<&str, _>(3), Some(long.as_str()));
    assert_eq!(row.get::<uuid::Uuid, _>(4), Some(guid));
    assert_eq!(row.get::<&[u8], _>(5), Some(&bytes[..]));
    assert_eq!(row.get::<bool, _>(6), Some(true));
    assert_eq!(row.get::<f64, _>(7), Some(2.5));
}

#[tokio::test]
async fn transactions_are_begun_and_ended() {
    let (server, _) = server(Encryption::NotSupported);
    let mut client = plain(&server).await;
    client.begin_transaction().await.unwrap();
    assert_eq!(count(&mut client, "ROWS 2").await.unwrap(), 2);
    client.commit_transaction().await.unwrap();
    client.begin_transaction().await.unwrap();
    client.rollback_transaction().await.unwrap();
}

#[tokio::test]
async fn faults_fire_where_they_are_set() {
    let (server, faults) = server(Encryption::Optional);
    let mut client = plain(&server).await;
    faults.add(Fault::once(On::Row, Action::Reset).after(1000));
    assert!(count(&mut client, "ROWS 5000").await.is_err());
    assert!(count(&mut client, "ROWS 1").await.is_err(), "the connection is gone");

    let mut client = plain(&server).await;
    faults.add(Fault::once(On::Row, Action::error(1205)).after(10));
    assert_eq!(server_error(&count(&mut client, "ROWS 50").await.unwrap_err()).0, 1205);
    faults.add(Fault::once(On::Statement, Action::error(1222)));
    assert_eq!(server_error(&count(&mut client, "ROWS 50").await.unwrap_err()).0, 1222);
    faults.add(Fault::once(On::Row, Action::Stall(Duration::from_millis(50))));
    assert_eq!(count(&mut client, "ROWS 50").await.unwrap(), 50);

    faults.add(Fault::once(On::Login, Action::error(4060)));
    let refused = connect(&server, EncryptionLevel::On, "Secret1!").await.err().unwrap();
    assert_eq!(server_error(&refused).0, 4060);
    faults.add(Fault::once(On::Login, Action::Route { host: "elsewhere".to_owned(), port: 1499 }));
    match connect(&server, EncryptionLevel::On, "Secret1!").await.err().unwrap() {
        Error::Routing { host, port } => assert_eq!((host.as_str(), port), ("elsewhere", 1499)),
        other => panic!("not sent elsewhere: {other}"),
    }
}

#[tokio::test]
async fn a_client_stops_what_it_asked_for() {
    let (server, _) = server(Encryption::Optional);
    let mut client = connect(&server, EncryptionLevel::On, "Secret1!").await.unwrap();
    {
        let mut stream = client.simple_query("ROWS 100000000").await.unwrap();
        for _ in 0..100 {
            stream.next().await.unwrap().unwrap();
        }
    }
    client.cancel_query().await.unwrap();
    assert_eq!(count(&mut client, "ROWS 7").await.unwrap(), 7);
}

#[tokio::test]
async fn the_server_stops_with_its_connections() {
    let (server, _) = server(Encryption::Optional);
    let mut idle = plain(&server).await;
    let mut busy = plain(&server).await;
    let waiting = async { busy.simple_query("WAIT").await.map(drop) };
    let stop = tokio::task::spawn_blocking(move || drop(server));
    let (waited, stopped) = tokio::join!(waiting, stop);
    stopped.unwrap();
    drop(waited);
    assert!(count(&mut idle, "ROWS 1").await.is_err());
}
