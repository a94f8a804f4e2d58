//! Compares the converters with recordings of Apache Kafka 4.3.1's own; see `golden/Record.java`.
#![allow(clippy::unwrap_used)]

mod describe;

use bytes::Bytes;
use tributary_api::{
    Converter, ConverterOptions, Datum, DecodeContext, EncodeContext, Factory, HeaderConverter, PluginKind,
    PluginRegistry, Props,
};

/// Inputs whose results differ on purpose.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("header.read", "0000-00-00", "java counts days before 1582 in the julian calendar"),
    ("header.read", "123456789.123456789", "before java 19, some floats are printed with a digit too many"),
    ("json.read", "1.6e-322", "before java 19, some floats are printed with a digit too many"),
    ("header.read", "1.1754944e-38", "before java 19, some floats are printed with a digit too many"),
    ("json.read", "1.1754944e-38", "before java 19, some floats are printed with a digit too many"),
    ("write", "1.6e-322", "before java 19, some floats are printed with a digit too many"),
    ("write", "1.1754944e-38", "before java 19, some floats are printed with a digit too many"),
    ("write", "1e23", "before java 19, some floats are printed with a digit too many"),
    ("write", "2e23", "before java 19, some floats are printed with a digit too many"),
    ("write", r#""float","optional":false},"payload":9.007199254740993e15"#, "before java 19, as above"),
    ("write", r#""float","optional":false},"payload":1e16"#, "before java 19, as above"),
    ("write", r#""float","optional":false},"payload":123456789012345680"#, "before java 19, as above"),
    ("json.read", "1e-323", "since java 19, of two digits the nearest are printed: 9.9E-324"),
    ("write", "1e-323", "since java 19, of two digits the nearest are printed: 9.9E-324"),
    ("json.read", "1e-322", "since java 19, of two digits the nearest are printed: 9.9E-323"),
    ("write", "1e-322", "since java 19, of two digits the nearest are printed: 9.9E-323"),
    ("json.read", r"\xc0\x80", "jackson takes what no encoder writes: two bytes for a character of one"),
    ("json.plain", r"\\ud83d", "our text has no half of a surrogate pair"),
    ("json.plain", r#"{"b":1,"a""#, "java's map has an order of its own, ours that of the input"),
    ("header.read", "[2019-08-23,5]", "java makes a number beside a date a date"),
    ("header.read", "[5,2019-08-23]", "java makes a number beside a date a date"),
    ("header.read", "[2019-08-23,14:34:54.346Z]", "java makes a date beside a time a time"),
    ("header.read", "１", "only ascii digits make a number"),
    ("read", r"\xc3\xa9x\0", "java's windows-1252 is not carried"),
    ("read", r"\xe9\0", "java's windows-1252 is not carried"),
    ("write", "windows-1252", "java's windows-1252 is not carried"),
    ("string.write", r#""payload":"AQID""#, "java prints the address of the bytes, we print base64"),
    ("string.write", r#"{"type":"bytes","optional":false},"payload":""#, "java prints the address of the bytes"),
];

struct Case<'a> {
    operation: &'a str,
    settings: Props,
    input: &'a str,
    recorded: &'a str,
}

#[test]
fn converters_do_what_kafkas_do() {
    let recordings = include_str!("golden/recorded.tsv");
    let mut failures = Vec::new();
    let mut compared = 0;
    for line in recordings.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [operation, settings, input, recorded] = parts[..] else { panic!("bad line {line}") };
        let setting = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let case = Case { operation, settings: settings.split(';').filter_map(setting).collect(), input, recorded };
        if differs_on_purpose(&case) {
            continue;
        }
        compared += 1;
        let found = escape(&run(&case).unwrap_or_else(|error| format!("error {}", error.chain().next().unwrap())));
        if found != case.recorded {
            failures.push(format!("{operation} [{settings}] {input}\n  kafka {}\n  ours  {found}", case.recorded));
        }
    }
    assert!(failures.is_empty(), "{} of {compared} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 1700, "only {compared} cases were compared");
}

fn differs_on_purpose(case: &Case<'_>) -> bool {
    let windows = case.settings.get("converter.encoding").is_some_and(|encoding| encoding == "windows-1252");
    DIFFERENT.iter().any(|(operation, input, why)| {
        let same = case.operation == *operation || *operation == "write" && case.operation.ends_with(".write");
        same && if why.contains("windows-1252") { windows } else { case.input.contains(input) }
    })
}

fn run(case: &Case<'_>) -> tributary_api::Result<String> {
    const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
    let input = unescape(case.input);
    // Values to write are made by reading an envelope.
    let read = |settings: &[(&str, &str)]| {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        converter(JSON, &settings)?.to_connect_data(&DecodeContext::new("t", &[]), input.clone())
    };
    let text =
        |bytes: Option<Bytes>| bytes.map_or_else(|| "NULL".to_owned(), |b| String::from_utf8(b.to_vec()).unwrap());
    Ok(match case.operation {
        "json.read" => {
            describe::datum(&converter(JSON, &case.settings)?.to_connect_data(&DecodeContext::new("t", &[]), input)?)
        }
        "json.write" => text(
            converter(JSON, &case.settings)?
                .from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &read(&[])?)?,
        ),
        "json.plain" => {
            let datum = read(&[("schemas.enable", "false")])?;
            text(
                converter(JSON, &case.settings)?
                    .from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &datum)?,
            )
        }
        "header.read" => describe::datum(&header_converter().to_connect_header("t", "h", input)?),
        "header.write" => text(header_converter().from_connect_header("t", "h", &read(&[])?)?),
        "string.write" => {
            let mut string = converter("org.apache.kafka.connect.storage.StringConverter", &case.settings)?;
            text(string.from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &read(&[])?)?)
        }
        "read" => describe::datum(
            &converter(&case.settings["of"], &case.settings)?.to_connect_data(&DecodeContext::new("t", &[]), input)?,
        ),
        "write" => {
            let datum: Datum = read(&[])?;
            let bytes = converter(&case.settings["of"], &case.settings)?
                .from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &datum)?;
            bytes.map_or_else(|| "NULL".to_owned(), |bytes| describe::hex(&bytes))
        }
        other => panic!("unknown operation {other}"),
    })
}

fn converter(name: &str, settings: &Props) -> tributary_api::Result<Box<dyn Converter>> {
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let plugin = registry.find(name, |kind| kind == PluginKind::Converter).unwrap();
    let Factory::Converter(make) = &plugin.factory else { panic!("not a converter") };
    make(&plugin.description.config.parse(settings)?, ConverterOptions::VALUE)
}

fn header_converter() -> Box<dyn HeaderConverter> {
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let plugin = registry.find("SimpleHeaderConverter", |kind| kind == PluginKind::HeaderConverter).unwrap();
    let Factory::HeaderConverter(make) = &plugin.factory else { panic!("not a header converter") };
    make(&plugin.description.config.parse(&Props::new()).unwrap()).unwrap()
}

fn unescape(text: &str) -> Option<Bytes> {
    if text == "NULL" {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next().unwrap() {
            't' => bytes.push(b'\t'),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            '0' => bytes.push(0),
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            other => bytes.push(other as u8),
        }
    }
    Some(bytes.into())
}

fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    text.replace('\r', "\\r").replace('\0', "\\0")
}
