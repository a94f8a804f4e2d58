//! The engine: herder, stores, task loops.
