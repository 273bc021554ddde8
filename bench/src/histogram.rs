//! Times by size: 64 steps an octave, so that a percentile is right to about one part in 64.

use std::time::Duration;

/// Bits of a value below its leading one that are kept.
const STEP_BITS: u32 = 6;
const STEPS: usize = 1 << STEP_BITS;

/// Counts of durations.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// By [`bucket`] of the nanoseconds.
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty one.
    pub(crate) fn new() -> Histogram {
        Histogram { counts: vec![0; STEPS * 60], total: 0 }
    }

    /// Counts `time`.
    pub(crate) fn add(&mut self, time: Duration) {
        self.counts[bucket(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))] += 1;
        self.total += 1;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The smallest kept time that at least `share` (0 to 1) of all are not above, in microseconds; `None` when empty.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.total as f64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                return Some(highest(index) as f64 / 1000.0);
            }
        }
        None
    }
}

/// The bucket a value falls into: exact below [`STEPS`], then by octave and the bits after the leading one.
fn bucket(value: u64) -> usize {
    let octave = (u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let step = usize::try_from(value >> octave).expect("at most seven bits are left");
    octave as usize * STEPS + step
}

/// The highest value of a bucket.
fn highest(index: usize) -> u64 {
    let octave = (index / STEPS).saturating_sub(1);
    let step = index - octave * STEPS;
    (((step as u128 + 1) << octave) - 1).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_close_above_it() {
        for value in [0, 1, 63, 64, 127, 128, 129, 1_000, 999_999, 123_456_789, u64::MAX] {
            let top = highest(bucket(value));
            assert!(top >= value, "{value} is above its bucket's end {top}");
            assert!(top as f64 <= value as f64 * (1.0 + 1.0 / 64.0) + 1.0, "{value} is far below {top}");
        }
    }

    #[test]
    fn percentiles_of_a_thousand_times() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(0.5), None);
        (1..=1000).for_each(|us| histogram.add(Duration::from_micros(us)));
        for (share, us) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let seen = histogram.percentile(share).unwrap();
            assert!((us..us * 1.02).contains(&seen), "{share}: {seen}");
        }
        histogram.clear();
        assert_eq!(histogram.percentile(0.5), None);
    }
}
