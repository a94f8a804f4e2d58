//! Queries for what the database says about its tables and their capture instances.

mod capture;
mod tables;

pub(crate) use self::capture::{change_tables, lost_instances, max_lsn, real_name, sees_capture};
pub(crate) use self::tables::{all_tables, read_table};
