//! Fuzzes cursors, which browsers send back.

use tributary_testkit::fuzz;

use super::message::Cursor;

const CURSORS: [&[u8]; 5] = [
    b"0a1b2c3d.0.42",
    b"811c9dc5.-1.-9223372036854775808",
    b"ffffffff.2147483647.9223372036854775807",
    b"..",
    b"1.2.3.4",
];

#[test]
fn fuzz_cursors() {
    fuzz(&CURSORS, |text| {
        let cursor: Cursor = std::str::from_utf8(text).ok()?.parse().ok()?;
        let again = cursor.to_string().parse::<Cursor>();
        assert_eq!(again.as_ref(), Ok(&cursor), "a cursor is not what it is written as");
        Some(cursor.offset.signum())
    });
}
