//! What the database knows of its tables and of what is captured of them.

mod capture;
mod tables;

pub(crate) use self::capture::{change_tables, lost_instances, max_lsn, real_name, sees_capture};
pub(crate) use self::tables::{all_tables, read_table};
