//! Change data capture as SQL sees it, without the wire.

mod administration;
mod cleanup;
mod ddl;
mod functions;
mod scans;
mod shop;
mod workload;
