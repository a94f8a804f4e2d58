//! The server as a process that is killed.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use sqlserver_standin::{PASSWORD, USER};
use tiberius::EncryptionLevel;

use crate::connection::{Caller, Connection, count, run};

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// With its data in a folder, and no scans but those asked for.
    fn start(folder: &Path) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sqlserver-standin"))
            .args(["--port", "0", "--stepped", "--exit-with-stdin", "--data"])
            .arg(folder)
            .env_remove("MSSQL_SA_PASSWORD")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Process { child, address }
    }

    async fn connect(&self, database: &str) -> Connection {
        let caller = Caller {
            user: USER,
            password: PASSWORD,
            database,
            application: "clients",
            encryption: EncryptionLevel::NotSupported,
        };
        caller.connect_to(self.address).await.unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Database `shop` with `dbo.t (id int primary key)`, captured.
async fn create_shop(process: &Process) -> Connection {
    let mut client = process.connect("master").await;
    for sql in [
        "CREATE DATABASE shop",
        "USE shop",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)",
        "EXEC sys.sp_cdc_enable_db",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL",
    ] {
        run(&mut client, sql).await.unwrap();
    }
    client
}

async fn captured(client: &mut Connection) -> Vec<i32> {
    run(client, "EXEC sys.sp_cdc_scan").await.unwrap();
    let rows = run(client, "SELECT id FROM cdc.dbo_t_CT ORDER BY __$start_lsn, __$seqval").await.unwrap();
    rows[0].iter().map(|row| row.get::<i32, _>(0).unwrap()).collect()
}

#[tokio::test]
async fn what_was_committed_is_there_and_captured_once_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path());
    let mut client = create_shop(&process).await;
    run(&mut client, "INSERT INTO dbo.t VALUES (1); EXEC sys.sp_cdc_scan; INSERT INTO dbo.t VALUES (2)").await.unwrap();
    run(&mut client, "BEGIN TRAN; INSERT INTO dbo.t VALUES (3)").await.unwrap();
    process.kill();
    let process = Process::start(folder.path());
    let mut client = process.connect("shop").await;
    assert_eq!(count(&mut client, "SELECT COUNT(*) FROM dbo.t").await, 2);
    run(&mut client, "INSERT INTO dbo.t VALUES (4)").await.unwrap();
    assert_eq!(captured(&mut client).await, [1, 2, 4]);
    assert_eq!(count(&mut client, "SELECT COUNT(DISTINCT __$start_lsn) FROM cdc.dbo_t_CT").await, 3);
}
