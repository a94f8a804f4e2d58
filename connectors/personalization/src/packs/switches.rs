use std::collections::BTreeMap;

/// What the key of a record begins with that switches something off.
pub(super) const OFF: &str = "off:";
const ALL: &str = "all";
const PACK: &str = "pack:";
const OFFER: &str = "offer:";

/// What is switched off: everything, packs and offers. Each switch is a record of the topic of packs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches(BTreeMap<String, String>);

impl Switches {
    /// Adds a record's key and value, if it is a switch; whether it is.
    pub(super) fn add(&mut self, key: &str, value: &str) -> bool {
        let switch = key.strip_prefix(OFF);
        if let Some(switch) = switch {
            self.0.insert(switch.to_owned(), value.to_owned());
        }
        switch.is_some()
    }

    /// Whether no offer may be made at all.
    pub(crate) fn is_all_off(&self) -> bool {
        self.0.contains_key(ALL)
    }

    /// Whether an offer may not be made, for its own sake or its pack's.
    pub(crate) fn is_off(&self, pack: &str, offer: &str) -> bool {
        let is = |prefix: &str, name: &str| self.0.keys().any(|switch| switch.strip_prefix(prefix) == Some(name));
        !self.0.is_empty() && (is(PACK, pack) || is(OFFER, offer))
    }

    /// The names of what is off, with what was written about it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(switch, why)| (switch.as_str(), why.as_str()))
    }

    /// The key of the record for a path of a request: `all`, `packs/NAME` or `offers/ID`.
    pub(super) fn key(path: &[String]) -> Option<String> {
        match path {
            [all] if all == ALL => Some(format!("{OFF}{ALL}")),
            [kind, name] if kind == "packs" => Some(format!("{OFF}{PACK}{name}")),
            [kind, id] if kind == "offers" => Some(format!("{OFF}{OFFER}{id}")),
            _ => None,
        }
    }
}
