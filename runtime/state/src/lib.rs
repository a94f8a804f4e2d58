//! Keyed state for stream processors.
