//! How much is tried: random choices that can be made again, and where their seeds come from.

use std::ops::Range;

/// Names the first seed; without it the same ones are used each time.
pub const SEED_VARIABLE: &str = "MULTILOG_TEST_SEED";
const SEED_DEFAULT: u64 = 76;

/// How many times as many seeds as usual are used.
const FACTOR_VARIABLE: &str = "MULTILOG_TEST_FACTOR";

/// Runs everything in full, which takes some minutes.
const MATRIX_VARIABLE: &str = "MULTILOG_TEST_MATRIX";

/// Whether long tests are run in full, and not in the short form of every day.
pub fn is_full() -> bool {
    std::env::var_os(MATRIX_VARIABLE).is_some_and(|value| value == "full")
}

/// The seeds of this run, usually so many.
pub fn seeds(count: u64) -> Range<u64> {
    let first = number(SEED_VARIABLE).unwrap_or(SEED_DEFAULT);
    first..first + count * number(FACTOR_VARIABLE).unwrap_or(1)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// A xorshift generator.
pub struct Random(u64);

impl Random {
    /// Seeds that follow each other make streams that have nothing in common.
    pub fn new(seed: u64) -> Random {
        let mixed = (seed ^ seed >> 31).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = Random(mixed | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below a usize")
    }

    /// True once in so many times.
    pub fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// So many of the bytes.
    pub fn text(&mut self, bytes: &[u8], len: usize) -> Vec<u8> {
        (0..len).map(|_| *self.choose(bytes)).collect()
    }
}
