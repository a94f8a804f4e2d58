//! The website's two directions on one HTTP listener: the clickstream source takes events from browsers, the
//! session delivery sink pushes what was decided for a person into the open page.
//!
//! Who a browser belongs to is said by a signed [`session`] token and by nothing else: an event cannot name its own
//! person, and a subscription cannot ask for another one's messages.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod collect;
mod deliver;
mod http;
mod plugins;
pub mod session;

pub use http::Listeners;
pub use plugins::{plugins, plugins_on};
