//! The demo shop: a small web server of a retailer.
//!
//! It logs users in and sets a signed session cookie. Everything else happens between the page and the connectors: the
//! page's script sends events to the collector, which is on another port (CORS), and receives the voucher that the
//! pipeline decides on from there.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod assets;
mod customers;
mod error;
mod forms;
mod pages;
mod products;
mod server;
mod state;
mod visitor;

pub use customers::{DemoCustomer, read_customers, write_customer_table};
pub use error::{Error, Result};
pub use products::{Product, read_products};
pub use server::{Shop, ShopOptions};
