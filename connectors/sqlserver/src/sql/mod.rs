//! Connections to SQL Server. Only this module uses the driver (tiberius): another driver would replace only this
//! module.

mod client;
mod error;
mod login;
mod names;
mod pool;
mod row;

pub(crate) use self::client::{Client, Isolation, Rows};
pub(crate) use self::error::{classified, is_missing_column, is_missing_object, is_out_of_range};
pub(crate) use self::login::{Encryption, Login};
pub(crate) use self::names::{quoted, quoted_table};
pub(crate) use self::pool::Pool;
pub(crate) use self::row::{Cells, Parameter};
