use tributary_api::{Schema, SchemaRef, SchemaType};

/// The schema of a change: version 2 of Debezium's envelope.
pub(super) fn envelope(name: &str, row: &SchemaRef, source: &SchemaRef) -> SchemaRef {
    let number = Schema::new(SchemaType::Int64).optional().into_ref();
    Schema::structure([
        ("before", row.clone()),
        ("after", row.clone()),
        ("source", source.clone()),
        ("transaction", transaction_block()),
        ("op", Schema::new(SchemaType::String).into_ref()),
        ("ts_ms", number.clone()),
        ("ts_us", number.clone()),
        ("ts_ns", number),
    ])
    .named(name)
    .with_version(2)
    .into_ref()
}

/// The place of a change in its transaction.
pub(super) fn transaction_block() -> SchemaRef {
    let number = Schema::new(SchemaType::Int64).into_ref();
    Schema::structure([
        ("id", Schema::new(SchemaType::String).into_ref()),
        ("total_order", number.clone()),
        ("data_collection_order", number),
    ])
    .named("event.block")
    .with_version(1)
    .optional()
    .into_ref()
}
