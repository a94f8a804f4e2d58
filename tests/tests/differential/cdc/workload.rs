//! Statements by chance: those of one seed are always the same.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Names, and the rest of CREATE TABLE. Column `note` is the one whose values are large.
pub(super) const TABLES: [(&str, &str); 3] = [
    (
        "a",
        "id int NOT NULL PRIMARY KEY, name nvarchar(40) NULL, note nvarchar(max) NULL, remark ntext NULL, \
         amount decimal(10,2) NOT NULL DEFAULT 1.5, at datetime2(3) NULL, kind varchar(10) NULL DEFAULT 'x', \
         small smallint NOT NULL DEFAULT -7",
    ),
    (
        "b",
        "k1 int NOT NULL, k2 varchar(10) NOT NULL, m money NULL, f float NULL, yes bit NULL DEFAULT 1, \
         g uniqueidentifier NULL, old int NULL, PRIMARY KEY (k2, k1)",
    ),
    (
        "c",
        "code varchar(20) NOT NULL UNIQUE, v varbinary(20) NULL, d date NULL, t time(7) NULL, o datetimeoffset(3) NULL, \
         dt datetime NULL, x xml NULL, p dbo.price NULL, u dbo.ident NULL, l dbo.label",
    ),
];

/// Other names of types, which columns have.
pub(super) const TYPES: [&str; 3] = [
    "CREATE TYPE dbo.price FROM money NULL",
    "CREATE TYPE dbo.ident FROM uniqueidentifier",
    "CREATE TYPE dbo.label FROM nvarchar(20) NOT NULL",
];

/// Removes the first capture instance of table b. A reader that still needs it would get an error.
pub(super) const DISABLE_FIRST: &str = "EXEC sys.sp_cdc_disable_table N'dbo', N'b', N'dbo_b'";

/// A row of it comes after all changes that were made before.
pub(super) const FENCE: (&str, &str) = ("fence", "id int IDENTITY PRIMARY KEY, at int NULL");

/// The most bytes of a large value that SQL Server captures are 65,536, of two for each character.
const LONG: i32 = 20_000;

pub(super) enum Step {
    Sql(String),
    /// All that is committed is captured.
    Capture,
}

pub(super) struct Workload {
    random: StdRng,
    step: usize,
    /// When columns of table b change, and when a second instance captures it.
    altered: usize,
    captured_again: usize,
    /// When a transaction is large.
    large: usize,
    /// Keys move by a step that none has moved by before.
    moved: i32,
}

impl Workload {
    /// The statements of a seed; within the `evolving` steps table b changes, and is captured by a second instance.
    pub(super) fn new(seed: u64, evolving: &Range<usize>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let altered = random.random_range(evolving.start..evolving.end - 1);
        let captured_again = random.random_range(altered + 1..evolving.end);
        let large = random.random_range(0..2 * evolving.end);
        Self { random, step: 0, altered, captured_again, large, moved: 0 }
    }

    /// A transaction and what goes with it. Some are captured together with later ones.
    pub(super) fn next(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.step == self.altered {
            steps.push(Step::Sql("ALTER TABLE dbo.b ADD extra varchar(20) NULL".into()));
            steps.push(Step::Sql("ALTER TABLE dbo.b DROP COLUMN old".into()));
            steps.push(Step::Sql("ALTER TABLE dbo.b ALTER COLUMN f real NULL".into()));
        }
        if self.step == self.captured_again {
            // It captures what comes after what the log was read for.
            steps.push(Step::Capture);
            steps.push(Step::Sql(
                "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'b', @role_name = NULL, \
                 @capture_instance = N'dbo_b_2'"
                    .into(),
            ));
        }
        if self.step == self.large {
            let rows: Vec<String> =
                (0..400).map(|row| format!("({}, 'large', {row}.5)", self.step * 1000 + row)).collect();
            let insert = format!("INSERT INTO dbo.b (k1, k2, m) VALUES {}", rows.join(", "));
            steps.push(Step::Sql(format!(
                "BEGIN TRANSACTION; {insert}; UPDATE dbo.b SET m = m + 1 WHERE k2 = 'large'; \
                 DELETE FROM dbo.b WHERE k2 = 'large' AND k1 % 3 = 0; COMMIT"
            )));
        }
        steps.push(Step::Sql(self.transaction()));
        if self.random.random_range(0..3) > 0 {
            steps.push(Step::Capture);
        }
        self.step += 1;
        steps
    }

    /// One statement alone, several in a transaction, or one that is rolled back.
    pub(super) fn transaction(&mut self) -> String {
        match self.random.random_range(0..10) {
            0..6 => self.statement(),
            6..9 => {
                let statements: Vec<String> = (0..self.random.random_range(2..8)).map(|_| self.statement()).collect();
                format!("BEGIN TRANSACTION; {}; COMMIT", statements.join("; "))
            }
            _ => format!("BEGIN TRANSACTION; {}; {}; ROLLBACK", self.statement(), self.statement()),
        }
    }

    fn statement(&mut self) -> String {
        let id: i32 = self.random.random_range(1..25);
        let number: i32 = self.random.random_range(-1_000_000..1_000_000);
        let size = number.unsigned_abs();
        match self.random.random_range(0..16) {
            0..3 => format!(
                "IF NOT EXISTS (SELECT 1 FROM dbo.a WHERE id = {id}) INSERT INTO dbo.a (id, name, note, remark, amount, at) \
                 VALUES ({id}, {}, N'{}', N'r{number}', {}.25, '2024-02-29T12:34:56.{:03}')",
                self.text(),
                "long ".repeat(id as usize),
                number / 1000,
                size % 1000,
            ),
            3 => format!("UPDATE dbo.a SET name = {} WHERE id = {id}", self.text()),
            4 => format!("UPDATE dbo.a SET note = NULL, amount = amount + 1 WHERE id % 3 = {}", id % 3),
            5 => format!("UPDATE dbo.a SET note = N'other {number}' WHERE id = {id}"),
            6 => format!("DELETE FROM dbo.a WHERE id % 7 = {}", id % 7),
            7 => {
                self.moved += 10_000;
                format!("UPDATE dbo.a SET id = id + {} WHERE id % 4 = {}", self.moved, id % 4)
            }
            8..10 => {
                let key = format!("k{}", id % 3);
                format!(
                    "IF NOT EXISTS (SELECT 1 FROM dbo.b WHERE k1 = {id} AND k2 = '{key}') \
                     INSERT INTO dbo.b (k1, k2, m, f, yes, g) VALUES ({id}, '{key}', {number}.0625, {number} / 8e0, {}, \
                     '{:08x}-0000-4000-8000-{:012x}')",
                    ["0", "1", "NULL"][(id % 3) as usize],
                    size,
                    id,
                )
            }
            10 => format!("UPDATE dbo.b SET m = m * -1, f = NULL WHERE k1 % 5 = {}", id % 5),
            11 => format!("DELETE FROM dbo.b WHERE k1 = {id}"),
            12 => format!(
                "IF NOT EXISTS (SELECT 1 FROM dbo.c WHERE code = 'c{id}') INSERT INTO dbo.c VALUES ('c{id}', \
                 CAST({number} AS varbinary(20)), '19{:02}-12-31', '23:59:59.{size:07}', '2018-07-13T12:23:45.456+11:00', \
                 '2020-01-01T00:00:00.{:03}', N'<a>{number}</a>', {}.5807, '{size:08x}-0000-4000-8000-{id:012x}', N'Žluť {id}')",
                id + 50,
                size % 1000,
                // The last of them has all digits that the type has.
                [i64::from(number), 922_337_203_685_477][(id % 2) as usize],
            ),
            13 => format!("UPDATE dbo.c SET v = NULL, d = NULL WHERE code = 'c{id}'"),
            14 => format!(
                "IF NOT EXISTS (SELECT 1 FROM dbo.c WHERE code = 'c{id}x') \
                 UPDATE dbo.c SET code = code + 'x' WHERE code = 'c{id}'"
            ),
            _ => format!(
                "UPDATE dbo.a SET note = REPLICATE(CAST(N'{}' AS nvarchar(max)), {}) WHERE id = {id}",
                ["é", "large "][(id % 2) as usize],
                LONG / 6 + id,
            ),
        }
    }

    fn text(&mut self) -> String {
        ["NULL", "N'Žluť 🐎'", "N''", "N'plain'", "N'with ''quotes'''"][self.random.random_range(0..5)].to_owned()
    }
}
