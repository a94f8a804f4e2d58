//! The connector's configuration, with Debezium's property names.

mod definition;
#[cfg(test)]
mod every_property;
mod filters;
mod history;
mod login;
mod overrides;
mod settings;
mod signals;
mod snapshot_mode;
mod snapshot_threads;
mod unsupported;

pub(crate) use self::definition::definition;
#[cfg(test)]
pub(crate) use self::definition::properties;
pub(crate) use self::filters::{Patterns, TableFilter, patterns};
pub(crate) use self::history::HistorySettings;
pub(crate) use self::overrides::Overrides;
pub(crate) use self::settings::{Locking, OTHER_TASKS, QueryMode, Settings, SnapshotIsolation};
pub(crate) use self::signals::{NotificationSettings, SignalSettings, TopicSettings, Watermarks};
pub(crate) use self::snapshot_mode::{SnapshotMode, Step};
pub(crate) use self::snapshot_threads::{RowCountOrder, SnapshotThreads};
use self::unsupported::not_supported;
pub(crate) use self::unsupported::warn_of_no_effect;
