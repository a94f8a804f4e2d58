use tributary_api::{Datum, ErrorKind, Record, Timer};

use super::fakes::{props, registry};
use crate::tasks::{StatelessHost, TransformationChain};

const NOW: StatelessHost = StatelessHost { now: 7 };

fn chain(entries: &[(&str, &str)]) -> TransformationChain {
    TransformationChain::build_stateless(&props(entries), &registry()).unwrap()
}

fn run(chain: &mut TransformationChain, topic: &str, text: &str) -> Vec<String> {
    let record = Record::new(topic, Datum::schemaless(text));
    let records = chain.apply(record, &mut NOW.clone()).unwrap();
    records.into_iter().map(|record| record.value.value.as_str().unwrap().to_owned()).collect()
}

fn fault(entries: &[(&str, &str)]) -> String {
    let error = TransformationChain::build_stateless(&props(entries), &registry()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

#[test]
fn transforms_run_in_the_order_of_their_aliases() {
    let mut chain = chain(&[
        ("transforms", "b, a"),
        ("transforms.a.type", "test.Append"),
        ("transforms.a.text", "A"),
        ("transforms.b.type", "Append"),
        ("transforms.b.text", "B"),
    ]);
    assert_eq!(run(&mut chain, "t", "x"), ["xBA"]);
}

#[test]
fn a_dropped_record_ends_the_chain_and_a_duplicated_one_runs_it_twice() {
    let mut chain = chain(&[
        ("transforms", "a,b"),
        ("transforms.a.type", "Append"),
        ("transforms.b.type", "Append"),
        ("transforms.b.text", "?"),
    ]);
    assert_eq!(run(&mut chain, "t", "drop"), Vec::<String>::new());
    assert_eq!(run(&mut chain, "t", "twice"), ["twice!?", "twice!?"]);
}

#[test]
fn a_predicate_decides_and_negate_turns_it_round() {
    let entries = [
        ("transforms", "a"),
        ("transforms.a.type", "Append"),
        ("transforms.a.predicate", "p"),
        ("predicates", "p"),
        ("predicates.p.type", "OfTopic"),
        ("predicates.p.topic", "mine"),
    ];
    let mut plain = chain(&entries);
    assert_eq!(run(&mut plain, "mine", "x"), ["x!"]);
    assert_eq!(run(&mut plain, "other", "x"), ["x"]);
    let mut negated = chain(&[&entries[..], &[("transforms.a.negate", "true")]].concat());
    assert_eq!(run(&mut negated, "mine", "x"), ["x"]);
    assert_eq!(run(&mut negated, "other", "x"), ["x!"]);
}

#[test]
fn a_failure_names_the_class_at_work() {
    let mut chain = chain(&[("transforms", "a"), ("transforms.a.type", "Append")]);
    let failure = chain.apply(Record::new("t", Datum::schemaless("bad")), &mut NOW.clone()).unwrap_err();
    assert_eq!((failure.stage.name(), &*failure.class), ("TRANSFORMATION", "test.Append"));
}

#[test]
fn what_a_timer_gives_passes_the_rest_of_the_chain() {
    let mut chain = chain(&[
        ("transforms", "a,b"),
        ("transforms.a.type", "Append"),
        ("transforms.b.type", "Append"),
        ("transforms.b.text", "?"),
    ]);
    let timer = Timer::new("k", 5, "");
    let records: Vec<Record> = chain.on_timer(0, timer, &mut NOW.clone()).unwrap().into_iter().collect();
    assert_eq!(records[0].value.value.as_str(), Some("at 5?"));
}

#[test]
fn faults_name_the_property() {
    assert_eq!(
        fault(&[("transforms", "a")]),
        "Missing required configuration \"transforms.a.type\" which has no default value."
    );
    assert!(fault(&[("transforms", "a"), ("transforms.a.type", "Nope")]).starts_with(
        "Invalid value Nope for configuration transforms.a.type: Class Nope could not be found. There are: "
    ));
    let unknown = [("transforms", "a"), ("transforms.a.type", "Append"), ("transforms.a.predicate", "p")];
    assert_eq!(
        fault(&unknown),
        "Invalid value p for configuration transforms.a.predicate: not one of the aliases in predicates"
    );
}

#[test]
fn a_transform_with_state_is_refused_with_the_name_of_its_host() {
    let fault = fault(&[("transforms", "a"), ("transforms.a.type", "Append"), ("transforms.a.state", "true")]);
    assert!(
        fault.ends_with("it keeps state, which only a connector of class tributary.StreamProcessor can host"),
        "{fault}"
    );
}
