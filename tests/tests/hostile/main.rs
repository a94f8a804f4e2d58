//! Hostile input to the worker's listeners: over its embedded servers, each input costs its sender and no other.
//!
//! A test starts a [`Target`], attacks it, and ends with [`Target::holds`]. Sizes and counts are bounded, so that a
//! defect shows in this tier without taking the machine along.
#![allow(clippy::unwrap_used)]

mod broker;
mod clients;
mod connections;
mod files;
mod objects;
mod rest;
mod target;
mod website;
mod wire;
