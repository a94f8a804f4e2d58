//! The process with its data in a folder, killed again and again while it writes and captures.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tiberius::{AuthMethod, Client, Config, EncryptionLevel, error::Error};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

const PASSWORD: &str = "Crash-2022!";
const ROUNDS: u32 = 8;
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// The server; killed, not ended, when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(data: &Path) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sqlserver-standin"))
            .args(["--port", "0", "--capture-every", "2", "--exit-with-stdin", "--password", PASSWORD, "--data"])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).parse().unwrap();
        Server { child, address }
    }

    async fn connect(&self, database: &str) -> Connection {
        let mut config = Config::new();
        config.authentication(AuthMethod::sql_server(sqlserver_standin::USER, PASSWORD));
        config.encryption(EncryptionLevel::NotSupported);
        config.database(database);
        let stream = TcpStream::connect(self.address).await.unwrap();
        Connection(Box::pin(Client::connect(config, stream.compat_write())).await.unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Connection(Client<Compat<TcpStream>>);

impl Connection {
    async fn run(&mut self, sql: &str) -> Result<(), Error> {
        self.0.simple_query(sql).await?.into_results().await.map(drop)
    }

    /// The rows of a query, all of whose columns are numbers.
    async fn rows(&mut self, sql: &str) -> Vec<Vec<i32>> {
        let rows = self.0.simple_query(sql).await.unwrap().into_first_result().await.unwrap();
        rows.iter().map(|row| (0..row.len()).map(|column| row.get(column).unwrap()).collect()).collect()
    }

    async fn number(&mut self, sql: &str) -> i32 {
        self.rows(sql).await[0][0]
    }
}

async fn make_tables(server: &Server) {
    server.connect("master").await.run("CREATE DATABASE shop").await.unwrap();
    let mut shop = server.connect("shop").await;
    for sql in [
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.a (id int NOT NULL PRIMARY KEY, changes int NOT NULL)",
        "CREATE TABLE dbo.b (id int NOT NULL PRIMARY KEY)",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'a', @role_name = NULL",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'b', @role_name = NULL",
    ] {
        shop.run(sql).await.unwrap();
    }
}

/// Commits transactions, each of a row in each table and a change of the row before, until the server is killed soon
/// after `wanted` of them; the number of the last one that was answered.
async fn write_until_killed(mut server: Server, from: i32, wanted: i32) -> i32 {
    let mut shop = server.connect("shop").await;
    let answered = Arc::new(AtomicI32::new(from));
    let seen = Arc::clone(&answered);
    let killer = thread::spawn(move || {
        while seen.load(Ordering::SeqCst) < from + wanted {
            thread::yield_now();
        }
        // Anywhere within the next transactions.
        thread::sleep(Duration::from_micros(rand::random_range(0..3000)));
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    });
    for id in from + 1.. {
        let sql = format!(
            "SET XACT_ABORT ON; BEGIN TRANSACTION; INSERT INTO dbo.a VALUES ({id}, 0); INSERT INTO dbo.b VALUES ({id}); \
             UPDATE dbo.a SET changes = changes + 1 WHERE id = {id} - 1; COMMIT"
        );
        if shop.run(&sql).await.is_err() {
            break;
        }
        answered.store(id, Ordering::SeqCst);
    }
    killer.join().unwrap();
    answered.load(Ordering::SeqCst)
}

/// How many transactions are there: all that were answered, and perhaps one that was durable before its answer was out.
async fn survivors(server: &Server, answered: i32) -> i32 {
    let there = server.connect("shop").await.number("SELECT COUNT(*) FROM dbo.a").await;
    assert!(there == answered || there == answered + 1, "{answered} transactions were answered, {there} are there");
    there
}

/// Checks tables and changes after so many transactions.
async fn check(server: &Server, there: i32) {
    let mut shop = server.connect("shop").await;
    let expected: Vec<Vec<i32>> = (1..=there).map(|id| vec![id, i32::from(id < there)]).collect();
    assert_eq!(shop.rows("SELECT id, changes FROM dbo.a ORDER BY id").await, expected);
    let expected: Vec<Vec<i32>> = (1..=there).map(|id| vec![id]).collect();
    assert_eq!(shop.rows("SELECT id FROM dbo.b ORDER BY id").await, expected);

    let begun = Instant::now();
    let captured = "SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00";
    while shop.number(captured).await < there {
        assert!(begun.elapsed() < WAIT_LIMIT, "not all that is committed is captured");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(shop.number(captured).await, there);
    let mut expected = vec![vec![2, 1, 0]];
    for id in 2..=there {
        expected.extend([vec![2, id, 0], vec![3, id - 1, 0], vec![4, id - 1, 1]]);
    }
    let changes = "SELECT __$operation, id, changes FROM cdc.dbo_a_CT \
                   ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation";
    assert_eq!(shop.rows(changes).await, expected);
    let together = "SELECT COUNT(*) FROM cdc.dbo_a_CT a JOIN cdc.dbo_b_CT b \
                    ON a.id = b.id AND a.__$start_lsn = b.__$start_lsn WHERE a.__$operation = 2";
    assert_eq!(shop.number(together).await, there);
}

#[tokio::test]
async fn what_was_committed_and_its_changes_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    make_tables(&server).await;
    let mut there = 0;
    for round in 0..ROUNDS {
        let answered = write_until_killed(server, there, rand::random_range(5..60)).await;
        server = Server::start(folder.path());
        there = survivors(&server, answered).await;
        // Not in every round: a server that has yet to capture is killed, too.
        if round % 2 == 1 {
            check(&server, there).await;
        }
    }
}
