//! A fuzzer for parsers that needs no nightly toolchain and runs for a limited time.
//!
//! Without instrumentation a fuzzer cannot see which branch an input took. So the target returns the outcome of its
//! input (an error's kind, the shape of a result). An input with an outcome that was not seen before is kept, and new
//! inputs are made by changing kept ones.

use std::any::Any;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Environment variable: how many seconds each target runs, by default [`DEFAULT_SECONDS`].
const SECONDS: &str = "TRIBUTARY_FUZZ_SECONDS";
/// Environment variable: the seed that a failure reports, to repeat that run.
const SEED: &str = "TRIBUTARY_FUZZ_SEED";

/// Environment variable: a file to which each input is written before it is tried, for inputs that end the process,
/// such as by a stack overflow.
const LAST_INPUT: &str = "TRIBUTARY_FUZZ_LAST_INPUT";

/// Short enough that all targets of the project together take less than a minute.
const DEFAULT_SECONDS: u64 = 3;

/// An input that takes longer counts as a hang. Far above what the small inputs need on a slow machine.
const TOO_LONG: Duration = Duration::from_secs(10);

const MAX_INPUT: usize = 16 * 1024;
const MAX_CORPUS: usize = 2_000;
const SHRINKING_STEPS: usize = 300;

/// Fragments that parsers often handle badly, inserted unchanged.
const TOKENS: [&[u8]; 26] = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-0",
    b"1e999",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"0.1",
    b"..",
    b"/",
    b"${",
    b"\r\n",
    b"=",
    b"%00",
    b"\xf0\x9f\x98\x80",
];

const NUMBERS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX];

/// Calls `target` with the `examples` and with inputs made from them, for three seconds or for
/// `TRIBUTARY_FUZZ_SECONDS`.
///
/// `target` returns the outcome of an input; inputs with the same outcome count as equivalent.
///
/// # Panics
/// When the target panics or takes ten seconds. The message has the input; after a panic it is reduced.
pub fn fuzz<O: Hash>(examples: &[&[u8]], target: impl Fn(&[u8]) -> O) {
    fuzz_for(Duration::from_secs(number(SECONDS).unwrap_or(DEFAULT_SECONDS)), examples, target);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn fuzz_for<O: Hash>(time: Duration, examples: &[&[u8]], target: impl Fn(&[u8]) -> O) {
    let (seed, end) = (number(SEED).unwrap_or_else(rand::random), Instant::now() + time);
    let last_input = std::env::var_os(LAST_INPUT);
    let mut run =
        Run { seed, last_input, random: StdRng::seed_from_u64(seed), corpus: Vec::new(), seen: HashSet::new(), target };
    for example in examples {
        run.attempt(example.to_vec());
    }
    run.corpus.extend(examples.iter().map(|example| example.to_vec()));
    while Instant::now() < end {
        let input = run.next_input();
        run.attempt(input);
    }
}

struct Run<T> {
    seed: u64,
    last_input: Option<OsString>,
    random: StdRng,
    corpus: Vec<Vec<u8>>,
    seen: HashSet<u64>,
    target: T,
}

impl<O: Hash, T: Fn(&[u8]) -> O> Run<T> {
    fn attempt(&mut self, input: Vec<u8>) {
        if let Some(file) = &self.last_input {
            std::fs::write(file, &input).unwrap_or_else(|error| panic!("cannot write {file:?}: {error}"));
        }
        let begun = Instant::now();
        let outcome = self.call(&input);
        let taken = begun.elapsed();
        assert!(taken < TOO_LONG, "an input took {taken:?} (seed {}): b\"{}\"", self.seed, input.escape_ascii());
        match outcome {
            Ok(outcome) if self.seen.insert(outcome) && self.corpus.len() < MAX_CORPUS => self.corpus.push(input),
            Ok(_) => {}
            Err(panic) => {
                let (seed, input, message) = (self.seed, self.shrink(input), message(&*panic));
                panic!("the target panicked (seed {seed}): {message}\ninput: b\"{}\"", input.escape_ascii());
            }
        }
    }

    fn call(&self, input: &[u8]) -> Result<u64, Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| {
            let mut hasher = DefaultHasher::new();
            (self.target)(input).hash(&mut hasher);
            hasher.finish()
        }))
    }

    /// Removes parts of the input as long as it still causes a panic.
    fn shrink(&self, mut input: Vec<u8>) -> Vec<u8> {
        let mut piece = input.len().div_ceil(2);
        let mut steps = SHRINKING_STEPS;
        while piece > 0 {
            let mut at = 0;
            while at < input.len() && steps > 0 {
                steps -= 1;
                let mut shorter = input.clone();
                shorter.drain(at..(at + piece).min(input.len()));
                if self.call(&shorter).is_err() { input = shorter } else { at += piece }
            }
            piece /= 2;
        }
        input
    }

    fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.corpus.choose(&mut self.random).cloned().unwrap_or_default();
        for _ in 0..self.random.random_range(1..=4) {
            self.change(&mut input);
        }
        input.truncate(MAX_INPUT);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.random_range(0..=input.len());
        let piece = at..(at + random.random_range(1..=16)).min(input.len());
        match random.random_range(0..9) {
            0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.random_range(0..8)),
            1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.random()),
            2 => drop(input.splice(at..at, TOKENS.choose(random).into_iter().flat_map(|token| token.iter().copied()))),
            3 => drop(input.drain(piece)),
            4 => {
                let repeated = input[piece].repeat(random.random_range(1..=200));
                input.splice(at..at, repeated);
            }
            5 => {
                let number = NUMBERS.choose(random).copied().unwrap_or_default().to_be_bytes();
                let width = [1, 2, 4, 8].choose(random).copied().unwrap_or(8);
                let end = (at + width).min(input.len());
                input.splice(at..end, number[8 - width..].iter().copied());
            }
            6 => {
                let mut number = String::new();
                // Writing to a String cannot fail.
                let _ = write!(number, "{}", NUMBERS.choose(random).copied().unwrap_or_default());
                input.splice(piece, number.into_bytes());
            }
            7 => {
                let other = self.corpus.choose(random).map(Vec::as_slice).unwrap_or_default();
                let from = random.random_range(0..=other.len());
                input.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let other = self.corpus.choose(random).map(Vec::as_slice).unwrap_or_default();
                let from = random.random_range(0..=other.len());
                let end = (from + random.random_range(1..=64)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The panic needs a combination that random inputs do not reach in one step, but through kept outcomes.
    #[test]
    fn a_panic_after_two_steps_is_found_and_reported_with_a_small_input() {
        let target = |input: &[u8]| {
            let text = String::from_utf8_lossy(input).into_owned();
            let steps = [text.contains("null"), text.contains("null..")];
            assert!(!text.contains("null..null"), "planted");
            steps
        };
        // A slow machine gets the time that it needs.
        let search = || fuzz_for(Duration::from_secs(120), &[b"{\"a\": 1, \"b\": [true, false]}"], target);
        let found = catch_unwind(search).unwrap_err();
        let message = message(&*found);
        assert!(message.contains("planted") && message.contains("input: b\"null..null\""), "{message}");
    }

    #[test]
    fn a_target_without_faults_passes() {
        fuzz(&[b"x"], |input| input.len());
    }
}
