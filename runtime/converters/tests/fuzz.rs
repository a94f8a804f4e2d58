//! Fuzzes the converters that parse text.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use tributary_api::{
    Converter, ConverterOptions, Datum, DecodeContext, EncodeContext, Factory, HeaderConverter, PluginKind,
    PluginRegistry, Props,
};
use tributary_testkit::fuzz;

const JSON: [&[u8]; 9] = [
    br#"{"schema":{"type":"struct","optional":false,"version":2,"name":"n","doc":"d","parameters":{"p":"1"},"fields":[{"field":"a","type":"int32","optional":true,"default":7},{"field":"b","type":"bytes"}]},"payload":{"a":1,"b":"AQID"}}"#,
    br#"{"schema":{"type":"array","items":{"type":"map","keys":{"type":"string"},"values":{"type":"double"}}},"payload":[{"a":1.5e300}]}"#,
    br#"{"schema":{"type":"map","keys":{"type":"int64"},"values":{"type":"float"}},"payload":[[1,2.5],[3,null]]}"#,
    br#"{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},"payload":"AQ=="}"#,
    br#"{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2147483647"}},"payload":1E400}"#,
    br#"{"schema":{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp"},"payload":9223372036854775807}"#,
    br#"{"schema":{"type":"int32","name":"org.apache.kafka.connect.data.Time"},"payload":-1}"#,
    br#"{"schema":null,"payload":[1,"\ud83d\ude00",null,true,-0.0,1e-400,123456789012345678901234567890]}"#,
    br#"[{},[[[{"a":{"a":{"a":1}}}]]],"x"]"#,
];
const HEADERS: [&[u8]; 6] =
    [b"[1, 2.5, \"a\"]", b"{\"a\":1,\"b\":[true]}", b"2019-08-23T14:34:54.346Z", b"1.7E400", b"\"a\\\"b\"", b"AQID"];

/// A parsed value is also written and parsed again, without a panic.
fn there_and_back(converter: &mut dyn Converter, input: &[u8]) -> Result<(bool, Option<Bytes>), String> {
    let shape = |error: tributary_api::Error| -> String {
        error.to_string().chars().filter(|c| !c.is_ascii_digit()).take(40).collect()
    };
    let datum: Datum =
        converter.to_connect_data(&DecodeContext::new("t", &[]), Some(Bytes::copy_from_slice(input))).map_err(shape)?;
    let written = converter.from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &datum).map_err(shape)?;
    let again = converter.to_connect_data(&DecodeContext::new("t", &[]), written.clone());
    Ok((again.is_ok(), written.map(|bytes| bytes.slice(..bytes.len().min(8)))))
}

#[test]
fn fuzz_json_with_and_without_schemas() {
    for schemas in ["true", "false"] {
        let settings = Props::from([("schemas.enable".to_owned(), schemas.to_owned())]);
        let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
        let plugin = registry.find("JsonConverter", |kind| kind == PluginKind::Converter).unwrap();
        let Factory::Converter(make) = &plugin.factory else { panic!("not a converter") };
        let config = plugin.description.config.parse(&settings).unwrap();
        fuzz(&JSON, |input| there_and_back(&mut *make(&config, ConverterOptions::VALUE).unwrap(), input));
    }
}

#[test]
fn fuzz_simple_headers() {
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let plugin = registry.find("SimpleHeaderConverter", |kind| kind == PluginKind::HeaderConverter).unwrap();
    let Factory::HeaderConverter(make) = &plugin.factory else { panic!("not a header converter") };
    let config = plugin.description.config.parse(&Props::new()).unwrap();
    fuzz(&HEADERS, |input| {
        let mut converter: Box<dyn HeaderConverter> = make(&config).unwrap();
        let read = converter.to_connect_header("t", "h", Some(Bytes::copy_from_slice(input)));
        let read = read.map_err(|error| error.to_string().len())?;
        let written = converter.from_connect_header("t", "h", &read).map_err(|error| error.to_string().len())?;
        Ok::<_, usize>((read.schema.map(|schema| schema.kind.upper_name()), written.map(|bytes| bytes.len().min(16))))
    });
}
