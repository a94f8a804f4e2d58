use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// How long ago the latest view of all customers was, in a table that is written now.
const LATEST_VIEW: SignedDuration = SignedDuration::from_hours(3 * 24);
/// The table's file is written anew when it is older than this.
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
    /// To what they have said yes or no, such as `marketing`.
    pub consent: Map<String, Value>,
    /// What they looked at before.
    pub history: Vec<Viewed>,
    /// What to expect when one logs in as this customer; for the login page only.
    #[serde(default, skip_serializing)]
    pub hint: String,
}

/// A product that was looked at in earlier sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Viewed {
    /// The product.
    pub product_id: String,
    /// When it was looked at last.
    pub last_viewed_at: Timestamp,
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

/// Adds the customers to the end of a file, one JSON object a line, for a file source to read into the customers table.
/// All views are moved on by the same time, so that the latest one was three days ago: a demo with fixed dates would grow
/// old. Nothing is added within a day, so that starting often does not fill the file; the file only ever grows, as one
/// that is tailed must.
///
/// # Errors
/// When the file cannot be written.
pub fn write_customer_table(customers: &[DemoCustomer], path: &Path, now: SystemTime) -> Result<()> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    if written.is_some_and(|at| now.duration_since(at).unwrap_or_default() < KEEP) {
        return Ok(());
    }
    let latest = customers.iter().flat_map(|customer| &customer.history).map(|viewed| viewed.last_viewed_at).max();
    let now = Timestamp::try_from(now).map_err(|error| failed(io::Error::other(error)))?;
    let moved_on = latest.map_or(SignedDuration::ZERO, |latest| now.duration_since(latest) - LATEST_VIEW);
    let mut lines = Vec::new();
    for customer in customers {
        let mut row = customer.clone();
        for viewed in &mut row.history {
            viewed.last_viewed_at = viewed.last_viewed_at.saturating_add(moved_on).unwrap_or(now);
        }
        serde_json::to_writer(&mut lines, &row).map_err(|error| failed(error.into()))?;
        lines.push(b'\n');
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // In one write: the source must not see half of a line for long.
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(&lines)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"customer_id":"c-1","name":"Ann","segment":"home","consent":{"marketing":true},"hint":"sees a voucher","#,
        r#""history":[{"product_id":"p-1","last_viewed_at":"2026-01-10T12:00:00Z","sessions":3},"#,
        r#"{"product_id":"p-2","last_viewed_at":"2026-01-03T12:00:00Z","sessions":1}]}"#
    );

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
            let at =
                |index: usize| row["history"][index]["last_viewed_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
            assert_eq!(Timestamp::try_from(now).unwrap().duration_since(at(0)), LATEST_VIEW);
            assert_eq!(at(0).duration_since(at(1)), SignedDuration::from_hours(7 * 24));
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
