//! Bodies of requests.

use tributary_testkit::fuzz;

use crate::connectors::create_request;
use crate::jackson::{self, Chain};
use crate::offsets::connector_offsets;

const BODIES: [&[u8]; 8] = [
    br#"{"name":"a","config":{"connector.class":"C","tasks.max":1,"flag":true,"x":null},"initial_state":"STOPPED"}"#,
    br#"{"offsets":[{"partition":{"filename":"f","n":1},"offset":{"position":-1.5}},{"partition":{},"offset":null}]}"#,
    br#"{"connector.class":"C","nested":{"a":[1]}}"#,
    br#"{"level":"DEBUG"}"#,
    br#"[["a"],null,1e999]"#,
    br#"{"offsets":[[]]}"#,
    br#"{"name": "a" "config": {}}"#,
    b"null",
];

#[test]
fn fuzz_bodies() {
    fuzz(&BODIES, |body| {
        let Ok(Some(value)) = jackson::parse(body) else { return None };
        let created = create_request(value.clone()).map(|(_, config, state)| (config.len().min(8), state.is_some()));
        let offsets = connector_offsets(value.clone()).map(|offsets| offsets.offsets.len().min(8));
        let config = jackson::config(value, &Chain::default()).map(|config| config.len().min(8));
        Some((created.map_err(drop), offsets.map_err(drop), config.map_err(drop)))
    });
}
