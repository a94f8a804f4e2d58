//! The connector's properties, under Debezium's names.

mod definition;
mod filters;
mod login;
mod not_yet;
mod settings;

pub(crate) use self::definition::definition;
pub(crate) use self::filters::TableFilter;
pub(crate) use self::not_yet::{not_supported, warn_of_no_effect};
pub(crate) use self::settings::{Locking, QueryMode, Settings, SnapshotIsolation, SnapshotMode};
