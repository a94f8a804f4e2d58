//! The website's two directions: clickstream source and session delivery sink.
