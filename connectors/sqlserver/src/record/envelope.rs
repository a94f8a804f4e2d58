use tributary_api::{Schema, SchemaRef, SchemaType};

/// The schema of a change: version 2 of Debezium's envelope.
pub(super) fn envelope(name: &str, row: &SchemaRef, source: &SchemaRef, transaction: &SchemaRef) -> SchemaRef {
    let number = Schema::new(SchemaType::Int64).optional().into_ref();
    Schema::structure([
        ("before", row.clone()),
        ("after", row.clone()),
        ("source", source.clone()),
        ("transaction", transaction.clone()),
        ("op", Schema::new(SchemaType::String).into_ref()),
        ("ts_ms", number.clone()),
        ("ts_us", number.clone()),
        ("ts_ns", number),
    ])
    .named(name)
    .with_version(2)
    .into_ref()
}
