//! What the stand-in does in a second on this machine, so that it is known not to be what a connector waits for:
//! `cargo run --release --target-dir ../../target --example figures`, in the folder of this crate.

use std::{
    error::Error,
    io::Write as _,
    time::{Duration, Instant},
};

use futures::TryStreamExt as _;
use sqlserver_standin::{Capture, Local, Standin, USER};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, QueryItem};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

type Connection = Client<Compat<TcpStream>>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROWS: u32 = 1_000_000;
/// Rows of one INSERT.
const ROWS_AT_ONCE: u32 = 1000;
/// Changes that are captured, and those of a transaction.
const CHANGES: u32 = 200_000;
const CHANGES_AT_ONCE: u32 = 100;
/// The start is measured so often, and the best is shown.
const STARTS: u32 = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    show("start", &format!("{:.1} ms", best_start()?.as_secs_f64() * 1e3))?;
    let standin = Standin::builder().capture(Capture::Stepped).start()?;
    let mut client = connect(&standin).await?;
    for sql in ["CREATE DATABASE figures", "USE figures", &table("orders")] {
        client.simple_query(sql).await?.into_results().await?;
    }
    let began = Instant::now();
    fill(&mut client).await?;
    show("rows inserted", &per_second(ROWS, began.elapsed()))?;
    let began = Instant::now();
    let count = read(&mut client, "SELECT * FROM dbo.orders").await?;
    show("rows read", &per_second(count, began.elapsed()))?;
    let began = Instant::now();
    let count = read(&mut client, "SELECT * FROM dbo.orders ORDER BY id").await?;
    show("rows read in order", &per_second(count, began.elapsed()))?;
    captured(&standin, &mut client).await
}

fn best_start() -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..STARTS {
        let began = Instant::now();
        let standin = Standin::start()?;
        best = best.min(began.elapsed());
        drop(standin);
    }
    Ok(best)
}

/// Changes are made, then captured by scans, then read from the change table.
async fn captured(standin: &Standin, client: &mut Connection) -> Result<()> {
    let mut session = standin.local("figures")?;
    session.run(&table("captured"))?;
    session.run("EXEC sys.sp_cdc_enable_db")?;
    session
        .run("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'captured', @role_name = NULL")?;
    let began = Instant::now();
    change(&mut session)?;
    show("changes made", &per_second(CHANGES, began.elapsed()))?;
    let began = Instant::now();
    while standin.scan("figures")? > 0 {}
    show("changes captured", &per_second(CHANGES, began.elapsed()))?;
    let began = Instant::now();
    let count = read(
        client,
        "SELECT c.*, m.tran_end_time FROM cdc.dbo_captured_CT c LEFT JOIN cdc.lsn_time_mapping m \
         ON m.start_lsn = c.__$start_lsn ORDER BY c.__$start_lsn, c.__$command_id, c.__$seqval, c.__$operation",
    )
    .await?;
    show("changes read", &per_second(count, began.elapsed()))
}

async fn connect(standin: &Standin) -> Result<Connection> {
    let mut config = Config::new();
    config.authentication(AuthMethod::sql_server(USER, standin.password()));
    config.encryption(EncryptionLevel::NotSupported);
    config.packet_size(32767);
    let stream = TcpStream::connect(standin.address()).await?;
    stream.set_nodelay(true)?;
    Ok(Box::pin(Client::connect(config, stream.compat_write())).await?)
}

fn table(name: &str) -> String {
    format!(
        "CREATE TABLE dbo.{name} (id int NOT NULL PRIMARY KEY, customer bigint NOT NULL, amount decimal(12,2) NOT NULL, \
         placed datetime2(7) NOT NULL, state varchar(20) NOT NULL, note nvarchar(100) NULL, weight float NULL, \
         code uniqueidentifier NULL, paid bit NOT NULL, hash varbinary(16) NULL)"
    )
}

async fn fill(client: &mut Connection) -> Result<()> {
    client.simple_query("BEGIN TRAN").await?.into_results().await?;
    for first in (0..ROWS).step_by(ROWS_AT_ONCE as usize) {
        client.simple_query(insert("orders", first, ROWS_AT_ONCE)).await?.into_results().await?;
    }
    client.simple_query("COMMIT").await?.into_results().await?;
    Ok(())
}

fn change(session: &mut Local) -> Result<()> {
    for first in (0..CHANGES).step_by(CHANGES_AT_ONCE as usize) {
        session.run(&insert("captured", first, CHANGES_AT_ONCE))?;
    }
    Ok(())
}

fn insert(table: &str, first: u32, count: u32) -> String {
    let rows: Vec<String> = (first..first + count).map(row).collect();
    format!("INSERT INTO dbo.{table} VALUES {}", rows.join(","))
}

fn row(id: u32) -> String {
    format!(
        "({id},{},{}.25,'2024-02-29T12:34:56.{:07}','shipped',N'the note of order {id}',{}.5,\
         '6F9619FF-8B86-D011-B42D-00C04FC964FF',1,0x00112233445566778899AABBCCDDEEFF)",
        u64::from(id) * 7,
        id % 10000,
        id % 10_000_000,
        id % 100,
    )
}

async fn read(client: &mut Connection, sql: &str) -> Result<u32> {
    let mut rows = client.simple_query(sql).await?;
    let mut count = 0;
    while let Some(item) = rows.try_next().await? {
        count += u32::from(matches!(item, QueryItem::Row(_)));
    }
    Ok(count)
}

fn per_second(count: u32, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!("{count} in {seconds:.2} s, {:.0} a second", f64::from(count) / seconds)
}

fn show(what: &str, figure: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{what}: {figure}")?;
    Ok(())
}
