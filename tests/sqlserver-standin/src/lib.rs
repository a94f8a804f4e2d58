//! A server for tests that ordinary clients of SQL Server take for SQL Server, with change data capture that behaves as
//! SQL Server's does. What it supports is in the README.

mod cdc;
mod clock;
pub mod data;
pub mod demo;
pub mod faults;
mod local;
mod locks;
mod requests;
mod session;
mod sql;
mod standin;
mod wire;

pub use self::{
    cdc::Capture,
    clock::Clock,
    faults::Faults,
    local::{Local, Rows},
    standin::{Builder, PASSWORD, Standin, StartError, USER},
    wire::Encryption,
};
