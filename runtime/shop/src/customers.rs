use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};

const DAY_MS: i64 = 86_400_000;
/// The table's file is appended to when it is older than this.
const KEEP: Duration = Duration::from_secs(86_400);

/// Somebody who can log in, with what the company knows of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoCustomer {
    /// The id, as in events and tables.
    pub customer_id: String,
    /// The name.
    pub name: String,
    /// A group of customers.
    pub segment: String,
    /// The purposes that they consented to or not, such as `marketing`.
    pub consent: Map<String, Value>,
    /// What they looked at before.
    pub history: Vec<Viewed>,
    /// A hint for the login page: what to expect as this customer.
    #[serde(default, skip_serializing)]
    pub hint: String,
}

/// A product that was looked at in earlier sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Viewed {
    /// The product.
    pub product_id: String,
    /// How long ago, in days before the demo is started: a demo with dates in it would grow old.
    #[serde(rename(serialize = "last_viewed_at"))]
    pub last_viewed_days_ago: i64,
    /// In how many sessions.
    pub sessions: u32,
}

/// Reads a file with one customer as a JSON object on each line.
///
/// # Errors
/// When it cannot be read or is not that.
pub fn read_customers(path: &Path) -> Result<Vec<DemoCustomer>> {
    let text = fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let customer = serde_json::from_str(line);
            customer.map_err(|source| Error::Format { path: path.to_owned(), line: index + 1, source })
        })
        .collect()
}

/// Adds the customers to the end of a file, one JSON object a line, for a file source to read into the customers
/// table. In it `history[].last_viewed_at` is a time in ms since the epoch. Nothing is added within a day, so that
/// starting often does not fill the file; the file only ever grows, as one that is tailed must.
///
/// # Errors
/// When the file cannot be written.
pub fn write_customer_table(customers: &[DemoCustomer], path: &Path, now: SystemTime) -> Result<()> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    if written.is_some_and(|at| now.duration_since(at).unwrap_or_default() < KEEP) {
        return Ok(());
    }
    let now_ms = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let mut lines = Vec::new();
    for customer in customers {
        let mut row = customer.clone();
        for viewed in &mut row.history {
            viewed.last_viewed_days_ago = now_ms.saturating_sub(viewed.last_viewed_days_ago.saturating_mul(DAY_MS));
        }
        serde_json::to_writer(&mut lines, &row).map_err(|error| failed(error.into()))?;
        lines.push(b'\n');
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // In one write, so that the source does not see half a line for long.
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(&lines)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"customer_id":"c-1","name":"Ann","segment":"home","consent":{"marketing":true},"history":[{"product_id":"p-1","last_viewed_days_ago":2,"sessions":3}],"hint":"sees a voucher"}"#;

    #[test]
    fn the_table_has_times_and_no_hints() {
        let folder = tempfile::tempdir().unwrap();
        let (source, table) = (folder.path().join("customers.jsonl"), folder.path().join("data/customers.jsonl"));
        fs::write(&source, format!("{LINE}\n\n")).unwrap();
        let customers = read_customers(&source).unwrap();
        assert_eq!(customers[0].hint, "sees a voucher");
        let now = SystemTime::now();
        for later in [Duration::ZERO, KEEP / 2] {
            write_customer_table(&customers, &table, now + later).unwrap();
            let text = fs::read_to_string(&table).unwrap();
            assert_eq!(text.lines().count(), 1);
            let row: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(row.get("hint"), None);
            let at = row["history"][0]["last_viewed_at"].as_i64().unwrap();
            let now_ms = i64::try_from(now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap();
            assert_eq!(at, now_ms - 2 * DAY_MS);
        }
        write_customer_table(&customers, &table, now + 2 * KEEP).unwrap();
        assert_eq!(fs::read_to_string(&table).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("customers.jsonl");
        fs::write(&path, format!("{LINE}\n{{}}\n")).unwrap();
        assert!(read_customers(&path).unwrap_err().to_string().contains("line 2"));
    }
}
