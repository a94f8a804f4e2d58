//! FileStreamSource and FileStreamSink, the reference connectors.
