//! The transforms Enrich and Personalize.
