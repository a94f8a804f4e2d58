//! Reads and writes every case through mssql-client: HOST PORT CASES. Prints a line for each case and direction: number,
//! "read" or "write", the text; a failure begins with "!".

use std::{env, error::Error, fs};

use mssql_client::{Client, Config, Ready, SqlValue, ToSql};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let [host, port, path]: [String; 3] =
        env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "HOST PORT CASES")?;
    let target = format!("Server={host},{port};User Id=sa;Password=Secret1!;Encrypt=true;TrustServerCertificate=true");
    let mut client = Client::connect(Config::from_connection_string(&target)?).await?;
    client.execute("CREATE DATABASE conformance_mssql_client", &[]).await?;
    client.execute("USE conformance_mssql_client", &[]).await?;
    let cases = fs::read_to_string(path)?;
    let cases = cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for (index, line) in cases.enumerate() {
        let parts: Vec<&str> = line.split('\t').collect();
        each(&mut client, index + 1, parts[0], parts[1], parts[2]).await;
    }
    Ok(())
}

async fn each(client: &mut Client<Ready>, number: usize, kind: &str, nullability: &str, literal: &str) {
    let read = through(client, &format!("r{number}"), kind, nullability, literal, &[]).await;
    show(number, "read", kind, &read);
    let written = match read {
        Ok(value) => through(client, &format!("w{number}"), kind, nullability, "@p1", &[&bound(kind, value)]).await,
        Err(error) => Err(error),
    };
    show(number, "write", kind, &written);
}

async fn through(
    client: &mut Client<Ready>,
    table: &str,
    kind: &str,
    nullability: &str,
    literal: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<SqlValue> {
    client.execute(&format!("CREATE TABLE {table} (v {kind} {nullability})"), &[]).await?;
    client.execute(&format!("INSERT INTO {table} (v) VALUES ({literal})"), parameters).await?;
    let mut rows = client.query(&format!("SELECT v FROM {table}"), &[]).await?;
    let row = rows.next().ok_or("no row")??;
    row.get_raw(0).ok_or_else(|| "no value".into())
}

/// A value with the type that it is bound as.
struct Bound(&'static str, SqlValue);

impl ToSql for Bound {
    fn to_sql(&self) -> std::result::Result<SqlValue, mssql_client::TypeError> {
        Ok(self.1.clone())
    }

    fn sql_type(&self) -> &'static str {
        self.0
    }
}

fn bound(kind: &str, value: SqlValue) -> Bound {
    let name = match &value {
        SqlValue::Bool(_) => "BIT",
        SqlValue::TinyInt(_) => "TINYINT",
        SqlValue::SmallInt(_) => "SMALLINT",
        SqlValue::Int(_) => "INT",
        SqlValue::BigInt(_) => "BIGINT",
        SqlValue::Float(_) => "REAL",
        SqlValue::Double(_) => "FLOAT",
        SqlValue::Binary(_) => "VARBINARY(MAX)",
        SqlValue::Decimal(_) => "DECIMAL",
        SqlValue::Uuid(_) => "UNIQUEIDENTIFIER",
        SqlValue::Date(_) => "DATE",
        SqlValue::Time(_) => "TIME",
        SqlValue::DateTime(_) => "DATETIME2",
        SqlValue::DateTimeOffset(_) => "DATETIMEOFFSET",
        SqlValue::Null if ["binary", "varbinary", "image"].contains(&base(kind)) => "VARBINARY(MAX)",
        _ => "NVARCHAR(MAX)",
    };
    Bound(name, value)
}

fn base(kind: &str) -> &str {
    kind.split(['(', ' ']).next().unwrap_or(kind)
}

fn show(number: usize, direction: &str, kind: &str, value: &Result<SqlValue>) {
    let text = match value {
        Ok(value) => text(kind, value),
        Err(error) => format!("!{}", error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    println!("{number}\t{direction}\t{text}");
}

fn text(kind: &str, value: &SqlValue) -> String {
    let inside = kind.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let scale: usize = inside.and_then(|(digits, _)| digits.parse().ok()).unwrap_or(7);
    match value {
        SqlValue::Null => "NULL".to_owned(),
        SqlValue::Bool(v) => u8::from(*v).to_string(),
        SqlValue::TinyInt(v) => v.to_string(),
        SqlValue::SmallInt(v) => v.to_string(),
        SqlValue::Int(v) => v.to_string(),
        SqlValue::BigInt(v) => v.to_string(),
        SqlValue::Float(v) => format!("{:08x}", v.to_bits()),
        SqlValue::Double(v) => format!("{:016x}", v.to_bits()),
        SqlValue::Decimal(v) | SqlValue::Money(v) | SqlValue::SmallMoney(v) => v.to_string(),
        SqlValue::String(v) | SqlValue::Xml(v) => shortened(v),
        SqlValue::Binary(v) => shortened(&v.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        SqlValue::Uuid(v) => v.to_string().to_uppercase(),
        SqlValue::Date(v) => v.to_string(),
        SqlValue::Time(v) => cut(&v.format("%H:%M:%S%.9f").to_string(), scale),
        SqlValue::DateTime(v) | SqlValue::SmallDateTime(v) => {
            let digits = match base(kind) {
                "datetime" => 3,
                "smalldatetime" => 0,
                _ => scale,
            };
            cut(&v.format("%Y-%m-%d %H:%M:%S%.9f").to_string(), digits)
        }
        SqlValue::DateTimeOffset(v) => {
            format!("{} {}", cut(&v.format("%Y-%m-%d %H:%M:%S%.9f").to_string(), scale), v.format("%:z"))
        }
        other => format!("{other:?}"),
    }
}

/// Nine digits of the second, cut.
fn cut(text: &str, digits: usize) -> String {
    let point = text.len() - 10;
    text[..if digits == 0 { point } else { point + 1 + digits }].to_owned()
}

/// x*N for x repeated N times, when that is long.
fn shortened(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    for size in 1..=3 {
        let times = characters.len() / size;
        let part: String = characters.iter().take(size).collect();
        if times > 100 && part.repeat(times) == text {
            return format!("{part}*{times}");
        }
    }
    text.to_owned()
}
