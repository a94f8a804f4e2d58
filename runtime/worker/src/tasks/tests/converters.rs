use tributary_api::{ErrorKind, Props};

use super::fakes::{props, registry};
use crate::tasks::Converters;

fn build(connector: &[(&str, &str)], worker: &[(&str, &str)]) -> Result<Converters, String> {
    let mut defaults = props(&[
        ("key.converter", "test.TextConverter"),
        ("value.converter", "test.TextConverter"),
        ("header.converter", "test.TextHeaderConverter"),
    ]);
    defaults.extend::<Props>(props(worker));
    Converters::build(&props(connector), &defaults, &registry()).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    })
}

#[test]
fn the_workers_converter_has_the_workers_settings_only() {
    build(&[("value.converter.mode", "broken")], &[]).unwrap();
    let fault = build(&[], &[("value.converter.mode", "broken")]).err().unwrap();
    assert_eq!(fault, "value.converter: mode is broken");
}

#[test]
fn the_connectors_converter_inherits_nothing() {
    let worker = [("key.converter.mode", "broken")];
    build(&[("key.converter", "Text")], &worker).unwrap();
    build(&[("key.converter", "Text"), ("key.converter.mode", "broken")], &[]).err().unwrap();
}

#[test]
fn aliases_are_resolved_and_classes_kept_for_messages() {
    let converters = build(&[("value.converter", "TextConverter")], &[]).unwrap();
    assert_eq!(&*converters.value_class, "test.TextConverter");
}

#[test]
fn an_unknown_converter_is_a_fault_of_its_property() {
    let fault = build(&[("header.converter", "Nope")], &[]).err().unwrap();
    assert!(
        fault.starts_with("Invalid value Nope for configuration header.converter: Class Nope could not be found."),
        "{fault}"
    );
}
