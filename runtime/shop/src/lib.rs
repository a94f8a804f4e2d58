//! The demo shop: the web server of a retailer, in small.
//!
//! It knows who is logged in and says so in a signed session cookie. Everything else happens between the page and the
//! connectors: the script of the page sends events to the collector, on another port and so by CORS, and listens there
//! for the voucher that the pipeline decides on.
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
