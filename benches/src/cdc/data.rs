//! A captured database, filled by few statements that the server itself multiplies.

use anyhow::Result;
use tributary_tests::{SqlClient, SqlServer};

pub(super) const DATABASE: &str = "bench";
pub(super) const TABLE: &str = "orders";
/// Rows of the table before anything is measured.
pub(super) const FIRST: usize = 60;

/// Changes of a transaction, of them new rows, and removed ones, for which there is a tombstone, too.
pub(super) const CHANGES: usize = 100;
const UPDATED: usize = 30;
pub(super) const DELETED: usize = 10;

/// Ten columns of the usual types, as the stand-in's own figures have them.
const COLUMNS: &str = "id int NOT NULL PRIMARY KEY, customer bigint NOT NULL, amount decimal(12,2) NOT NULL, \
    placed datetime2(7) NOT NULL, state varchar(20) NOT NULL, note nvarchar(100) NULL, weight float NULL, \
    code uniqueidentifier NULL, paid bit NOT NULL, hash varbinary(16) NULL";

/// The database with one captured table of a few rows, which are captured.
pub(super) async fn create(server: &SqlServer) -> Result<SqlClient> {
    let mut client = server.create_captured(DATABASE).await?;
    create_table(&mut client, TABLE).await?;
    client.run("CREATE TABLE dbo.thousand (n int NOT NULL PRIMARY KEY)").await?;
    let numbers: Vec<String> = (0..1000).map(|number| format!("({number})")).collect();
    client.run(&format!("INSERT INTO dbo.thousand VALUES {}", numbers.join(","))).await?;
    client.run(&insert(0, &format!("dbo.thousand AS t WHERE t.n < {FIRST}"), "t.n")).await?;
    Ok(client)
}

/// A captured table.
pub(super) async fn create_table(client: &mut SqlClient, table: &str) -> Result<()> {
    client.run(&format!("CREATE TABLE dbo.{table} ({COLUMNS})")).await?;
    client.capture(table, &format!("dbo_{table}")).await
}

/// New rows, in the transaction that is open or in one of their own: so many thousands from this number on.
pub(super) fn thousands(first: usize, count: usize) -> String {
    let from = format!("dbo.thousand AS t CROSS JOIN dbo.thousand AS u WHERE t.n < {count}");
    insert(first, &from, "t.n * 1000 + u.n")
}

/// One of a thousand: a row at a time.
pub(super) fn row(id: usize) -> String {
    insert(id, "dbo.thousand AS t WHERE t.n = 0", "t.n")
}

/// A transaction of inserts, updates and deletes; they are counted from 1.
pub(super) fn transaction(number: usize) -> String {
    let inserted = CHANGES - UPDATED - DELETED;
    let (first, before) = (number * FIRST, (number - 1) * FIRST);
    format!(
        "BEGIN TRANSACTION; {insert}; \
         UPDATE dbo.{TABLE} SET state = 'paid', amount = amount + 1 WHERE id >= {before} AND id < {updated}; \
         DELETE FROM dbo.{TABLE} WHERE id >= {deleted} AND id < {first}; COMMIT",
        insert = insert(first, &format!("dbo.thousand AS t WHERE t.n < {inserted}"), "t.n"),
        updated = before + UPDATED,
        deleted = first - DELETED,
    )
}

fn insert(first: usize, from: &str, number: &str) -> String {
    format!(
        "INSERT INTO dbo.{TABLE} (id, customer, amount, placed, state, note, weight, code, paid, hash) \
         SELECT {first} + {number}, CAST({first} + {number} AS bigint) * 7, CAST({number} % 10000 AS decimal(12,2)) + 0.25, \
         '2024-02-29T12:34:56.1234567', 'shipped', N'the note of order ' + CAST({first} + {number} AS nvarchar(10)), \
         CAST({number} % 100 AS float) + 0.5, '6F9619FF-8B86-D011-B42D-00C04FC964FF', 1, \
         0x00112233445566778899AABBCCDDEEFF FROM {from}"
    )
}
