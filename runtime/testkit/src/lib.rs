//! The contract battery for connectors, fakes and fault injection.
