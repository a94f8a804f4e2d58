use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use parking_lot::{Mutex, MutexGuard};

/// The shortest value that is hidden: shorter ones are hardly secrets and occur in ordinary text.
const SHORTEST: usize = 4;
/// A value of this length or more is hidden wherever it occurs; a shorter one only as a whole word.
const LONG_VALUE: usize = 16;
/// A longer line is searched for in pieces of this size.
const PIECE: usize = 1024;
/// Marks where a long text was cut off; no text shorter than `CUT_FROM` is.
const CUT: &str = "...";
const CUT_FROM: usize = 400;
/// The maximum number of values; the oldest are removed first.
const MAX_VALUES: usize = 10_000;
/// Their maximum size together.
const MAX_BYTES: usize = 4 << 20;

/// The values that configuration providers have returned, each with its variable. In texts that are shown or logged,
/// the variable replaces the value, because a plugin's error may quote its configuration.
///
/// A handle; clones share the values.
#[derive(Clone, Default)]
pub struct Redaction(Arc<Mutex<KnownValues>>);

#[derive(Default)]
struct KnownValues {
    variables: HashMap<String, String>,
    /// The values, oldest first.
    order: VecDeque<String>,
    bytes: usize,
    /// Built when it is needed.
    finder: Option<Arc<Finder>>,
}

struct Finder {
    values: AhoCorasick,
    /// Values with their variables, sorted by value; the index is the pattern's.
    known: Vec<(String, String)>,
}

/// A value, or the beginning of one, in a text.
struct Found<'a> {
    start: usize,
    end: usize,
    variable: &'a str,
}

impl Redaction {
    /// Adds a value, which is shown as its variable from now on.
    pub(crate) fn add(&self, variable: &str, value: &str) {
        let mut known = self.known();
        for line in value.lines().map(str::trim) {
            let mut rest = line;
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
                known.add(variable, piece);
                // As it appears in a quoted text.
                known.add(variable, &piece.escape_debug().to_string());
                rest = more;
            }
        }
    }

    /// The text with values replaced by their variables.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let finder = {
            let mut known = self.known();
            if known.variables.is_empty() {
                return Cow::Borrowed(text);
            }
            known.finder()
        };
        match finder {
            Some(finder) => finder.apply(text),
            // A text that cannot be searched is not shown at all.
            None => Cow::Borrowed("[hidden]"),
        }
    }

    fn known(&self) -> MutexGuard<'_, KnownValues> {
        self.0.lock()
    }
}

impl KnownValues {
    fn add(&mut self, variable: &str, value: &str) {
        if value.len() < SHORTEST || self.variables.get(value).is_some_and(|there| there == variable) {
            return;
        }
        self.finder = None;
        if self.variables.insert(value.to_owned(), variable.to_owned()).is_none() {
            self.bytes += value.len();
            self.order.push_back(value.to_owned());
        }
        while self.order.len() > MAX_VALUES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= oldest.len();
            self.variables.remove(&oldest);
        }
    }

    fn finder(&mut self) -> Option<Arc<Finder>> {
        if self.finder.is_none() {
            let mut known: Vec<(String, String)> =
                self.variables.iter().map(|(value, variable)| (value.clone(), variable.clone())).collect();
            known.sort_unstable();
            let values = known.iter().map(|(value, _)| value);
            let values = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(values).ok()?;
            self.finder = Some(Arc::new(Finder { values, known }));
        }
        self.finder.clone()
    }
}

impl Finder {
    fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found: Vec<Found<'_>> = self.whole(text).chain(self.cut(text)).collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|found| (found.start, Reverse(found.end)));
        let (mut shown, mut done) = (String::new(), 0);
        for Found { start, end, variable } in found {
            if start >= done {
                shown.push_str(&text[done..start]);
                shown.push_str(variable);
                done = end;
            }
        }
        shown.push_str(&text[done..]);
        Cow::Owned(shown)
    }

    /// The values that occur in the text.
    fn whole<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Found<'a>> {
        let known = |found: aho_corasick::Match| {
            let (start, end) = (found.start(), found.end());
            let variable = &self.known[found.pattern().as_usize()].1;
            (found.len() >= LONG_VALUE || is_whole_word(text, start, end)).then_some(Found { start, end, variable })
        };
        self.values.find_iter(text).filter_map(known)
    }

    /// The beginnings of values that were cut off: a long message is cut where it is made, and no value is known there.
    fn cut<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Found<'a>> {
        let long = text.len() >= CUT_FROM;
        let cuts = text.match_indices(CUT).filter(move |_| long).map(|(end, _)| (end, SHORTEST));
        // A C library cuts without a mark.
        let last = long.then_some((text.len(), LONG_VALUE));
        cuts.chain(last).filter_map(move |(end, least)| self.beginning(text, end, least))
    }

    /// The longest beginning of a value that ends here.
    fn beginning<'a>(&'a self, text: &str, end: usize, least: usize) -> Option<Found<'a>> {
        let first = text.ceil_char_boundary(end.saturating_sub(PIECE));
        let starts = text[first..end].char_indices().map(|(at, _)| first + at);
        starts.take_while(|start| end - start >= least).find_map(|start| {
            let piece = &text[start..end];
            let at = self.known.partition_point(|(value, _)| value.as_str() < piece);
            let (value, variable) = self.known.get(at)?;
            let fits = value.starts_with(piece) && (piece.len() >= LONG_VALUE || !ends_in_word(&text[..start]));
            fits.then_some(Found { start, end, variable })
        })
    }
}

/// Whether the match is a whole word.
fn is_whole_word(text: &str, start: usize, end: usize) -> bool {
    let sentence_ends = text[end..].starts_with('.') && !in_word(text[end..].chars().nth(1));
    !ends_in_word(&text[..start]) && (sentence_ends || !in_word(text[end..].chars().next()))
}

fn ends_in_word(text: &str) -> bool {
    in_word(text.chars().next_back())
}

fn in_word(character: Option<char>) -> bool {
    character.is_some_and(|c| c.is_alphanumeric() || "-_.".contains(c))
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known().variables.values()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(values: &[&str]) -> Redaction {
        let redaction = Redaction::default();
        for (number, value) in values.iter().enumerate() {
            redaction.add(&format!("${{p:{number}}}"), value);
        }
        redaction
    }

    #[test]
    fn a_value_is_shown_as_its_variable_wherever_it_is() {
        let hide = redaction(&[
            "correct horse battery",
            "hunter2",
            "a\"quoted\" long secret",
            "first line of it\nsecond line of it",
        ]);
        let check = |text: &str, expected: &str| assert_eq!(hide.apply(text), expected);
        check("key correct horse battery!", "key ${p:0}!");
        check("xcorrect horse batteryx", "x${p:0}x");
        check("password is hunter2.", "password is ${p:1}.");
        check("cannot reach mongodb://me:hunter2@host", "cannot reach mongodb://me:${p:1}@host");
        check(&format!("{:?}", "a\"quoted\" long secret"), "\"${p:2}\"");
        check("got `second line of it`, not `first line of it`", "got `${p:3}`, not `${p:3}`");
    }

    #[test]
    fn what_only_looks_like_a_short_value_stays() {
        let hide = redaction(&["tributary", "80", "name"]);
        for text in ["topic tributary-configs", "port 8083 of 80", "names", "tributary.rs", "my_name"] {
            assert_eq!(hide.apply(text), text);
        }
        assert_eq!(hide.apply("key tributary, name: x"), "key ${p:0}, ${p:2}: x");
    }

    #[test]
    fn of_a_value_that_a_cut_splits_no_beginning_is_shown() {
        let hide = redaction(&["correct horse battery staple", "hunter2"]);
        let long = "x".repeat(CUT_FROM);
        let message = |piece: &str| format!("cannot use {long} with {piece}... and 12 bytes more: no such host");
        for (piece, shown) in [
            ("correct horse battery stapl", "${p:0}"),
            ("correct hor", "${p:0}"),
            ("corr", "${p:0}"),
            ("hunter", "${p:1}"),
            // Too little to be of use.
            ("cor", "cor"),
            ("incorr", "incorr"),
        ] {
            assert_eq!(hide.apply(&message(piece)), message(shown), "{piece}");
        }
        let message = format!("{long} correct horse bat");
        assert_eq!(hide.apply(&message), format!("{long} ${{p:0}}"), "librdkafka's own messages have 512 bytes");
        let error = tributary_api::Error::fatal(format!("{} correct horse battery staple", "x".repeat(8 * 1024 - 8)));
        assert!(!hide.apply(&error.trace()).contains("correct"), "{}", hide.apply(&error.trace()));
        assert_eq!(hide.apply("a short correct horse..."), "a short correct horse...");
    }

    #[test]
    fn long_values_are_hidden_whole_and_the_oldest_are_forgotten() {
        let long = "é".repeat(5_000);
        let hide = redaction(&[&long]);
        assert!(!hide.apply(&format!("<{long}>")).contains('é'));
        let hide = Redaction::default();
        (0..MAX_VALUES + 1).for_each(|number| hide.add("${p}", &format!("a secret with number {number:05}")));
        assert_eq!(hide.apply("a secret with number 00000"), "a secret with number 00000");
        assert_eq!(hide.apply("a secret with number 00001"), "${p}");
        assert!(!format!("{hide:?}").contains("secret"));
    }
}
