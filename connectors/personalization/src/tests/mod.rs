#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conditions;
mod enrich;
mod experiments;
mod host;
mod identity;
mod offers;
mod order;
mod packs;
mod person;
mod requests;
mod specified;
mod speed;
mod timers;
mod visitor;

use std::path::Path;

use crate::RulePack;

#[test]
fn shipped_rule_packs_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/rules");
    let mut packs = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        RulePack::parse(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        packs += 1;
    }
    assert!(packs > 0);
}
