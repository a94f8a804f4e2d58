//! Both directions of the website on one HTTP listener: the clickstream source receives events from browsers, and the
//! session delivery sink pushes decisions for a person to the open pages.
//!
//! Only a signed [`session`] token identifies the person: an event cannot name a person, and a subscription cannot
//! request another person's messages.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod collect;
mod deliver;
mod http;
mod plugins;
pub mod session;

pub use http::Listeners;
pub use plugins::{plugins, plugins_on};
