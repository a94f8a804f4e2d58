//! The log and its capture without the SQL engine: over tables that the tests make themselves.

mod capturing;
mod fake;
mod properties;
