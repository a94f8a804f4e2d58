//! Safe types around librdkafka. This crate contains every unsafe call of the product's Kafka clients, what corrects
//! librdkafka's way of connecting (`backoff`, `reconnect`), and the kinds of its error codes; all other logic is in
//! `tributary-kafka`.
//!
//! The binding crate's own clients are not used: they serve delivery reports, consumed records and commits one
//! call at a time, which costs more than the work itself at a million records a second, and their commit of a
//! transaction waits in steps of 100 ms.
//!
//! What makes it sound: a [`Client`] owns the C handle, is freed last because everything made from it holds an
//! `Arc` of it, and librdkafka's client functions may be called from any thread. Lists, events and messages are
//! owned by exactly one Rust value each. Only four functions are called from C: none unwinds.
//!
//! What is called for each record is `#[inline]`: its callers are in another crate.
#![allow(unsafe_code, reason = "librdkafka is a C library")]

mod admin;
mod backoff;
mod client;
mod consume;
mod error;
mod failure;
mod fetch;
mod list;
mod produce;
mod queue;
mod reconnect;
mod topics;
mod transaction;

use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

pub use admin::{GroupOffsets, ListedOffset, Outcomes, TopicCreation};
pub use client::{Client, Setting};
pub use consume::{Commit, Rebalance};
pub use failure::{Failure, code};
pub use fetch::{Fetched, Headers, Message};
pub use list::{Entry, PartitionList};
pub use produce::{ProducerRecord, Report, TopicHandle};
pub use queue::{Event, Queue, Waker};
pub use transaction::GroupIdentity;

/// Text for C. Topics, groups and settings of Kafka cannot contain NUL, so text after one is cut off.
fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// Text of C.
///
/// # Safety
/// The pointer is null or a NUL-terminated string that lives through the call.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A timeout for C: whole milliseconds, at least one unless it is zero, so that a wait is never a busy loop.
fn millis(timeout: Duration) -> i32 {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    i32::try_from(millis).unwrap_or(i32::MAX)
}
