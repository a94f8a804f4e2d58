use std::collections::HashMap;

use tributary_api::{Config, Result};

use super::SnapshotIsolation;
use crate::table::TableId;

const MULTIPLIER: &str = "snapshot.max.threads.multiplier";

/// How a snapshot's tables are divided among connections.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotThreads {
    /// `snapshot.max.threads`
    pub(crate) most: usize,
    multiplier: i64,
    /// By full names of tables.
    multipliers: HashMap<String, i64>,
    /// Each table is read by one connection (`legacy.snapshot.max.threads`).
    whole_tables: bool,
}

/// `snapshot.tables.order.by.row.count`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowCountOrder {
    Disabled,
    Ascending,
    Descending,
}

impl RowCountOrder {
    pub(super) fn new(config: &Config) -> Result<Self> {
        Ok(match config.string("snapshot.tables.order.by.row.count")?.to_lowercase().as_str() {
            "ascending" => Self::Ascending,
            "descending" => Self::Descending,
            _ => Self::Disabled,
        })
    }
}

impl SnapshotThreads {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let of_tables = config.originals().iter().filter_map(|(name, value)| {
            let table = name.strip_prefix(MULTIPLIER)?.strip_prefix('.')?;
            match value.trim().parse() {
                Ok(multiplier) if multiplier > 0 => Some((table.to_owned(), multiplier)),
                _ => {
                    tracing::warn!(
                        property = name,
                        value,
                        "not a whole number above 0: {MULTIPLIER} is used for the table"
                    );
                    None
                }
            }
        });
        Ok(Self {
            most: config.int("snapshot.max.threads")?,
            multiplier: config.int(MULTIPLIER)?,
            multipliers: of_tables.collect(),
            whole_tables: config.boolean("legacy.snapshot.max.threads")?
                || config.boolean("internal.legacy.snapshot.max.threads")?,
        })
    }

    /// Whether several connections read rows. In exclusive isolation only the connection that has locked the tables can.
    pub(crate) fn are_several(&self, isolation: SnapshotIsolation) -> bool {
        self.most > 1 && isolation != SnapshotIsolation::Exclusive
    }

    /// The number of parts of a table with so many rows, as Debezium calculates it.
    pub(crate) fn parts(&self, id: &TableId, rows: i64) -> i64 {
        if self.whole_tables || rows < 1 {
            return 1;
        }
        let multiplier = self.multipliers.get(&id.to_string()).copied().unwrap_or(self.multiplier);
        let most = i64::try_from(self.most).unwrap_or(i64::MAX).saturating_mul(multiplier);
        let of_a_part = (rows / most).max(1);
        (rows / of_a_part).clamp(1, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_as_many_parts_as_debezium_makes_of_it() {
        let id = |name: &str| TableId { database: "shop".into(), schema: "dbo".into(), name: name.to_owned().into() };
        let multipliers = HashMap::from([("shop.dbo.large".to_owned(), 3)]);
        let threads = SnapshotThreads { most: 4, multiplier: 1, multipliers, whole_tables: false };
        assert_eq!([0, 1, 3, 4, 1_000].map(|rows| threads.parts(&id("t"), rows)), [1, 1, 3, 4, 4]);
        assert_eq!(threads.parts(&id("large"), 1_000), 12);
        assert_eq!(SnapshotThreads { whole_tables: true, ..threads }.parts(&id("large"), 1_000), 1);
    }
}
