//! The wire with a small engine behind it, spoken to by an independent client and by hand.

mod client;
mod engine;
mod fuzz;
mod raw_client;
mod values;
