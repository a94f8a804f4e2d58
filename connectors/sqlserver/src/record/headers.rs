use tributary_api::{Datum, Headers, Schema, SchemaType};

/// The headers that Debezium gives its records (`extended.headers.enabled`).
pub(crate) fn context_headers(server: &str, task: &str, run: &str) -> Headers {
    let schema = Schema::new(SchemaType::String).into_ref();
    let mut headers = Headers::new();
    for (name, value) in
        [("connectorLogicalName", server), ("taskId", task), ("connectorName", "sqlserver"), ("runId", run)]
    {
        headers.push(format!("__debezium.context.{name}"), Datum::new(schema.clone(), value));
    }
    headers
}
