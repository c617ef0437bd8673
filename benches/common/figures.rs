//! Medians, ranges and ratios of rounds.

use std::fmt;

/// One figure, measured once a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds a round's figure.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Round by round, this figure over another.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(this, other)| this / other).collect())
    }

    /// The median.
    pub(crate) fn median(&self) -> f64 {
        self.sorted().get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl fmt::Display for Rounds {
    /// The median, and the range in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = self.sorted();
        let (low, high) = (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN));
        write!(f, "{} ({}–{})", short(self.median()), short(low), short(high))
    }
}

/// A number to three digits or so.
pub(crate) fn short(figure: f64) -> String {
    match figure {
        large if large >= 10e6 => format!("{:.1} M", large / 1e6),
        large if large >= 1e6 => format!("{:.2} M", large / 1e6),
        middle if middle >= 1e4 => format!("{:.1} k", middle / 1e3),
        middle if middle >= 100.0 => format!("{middle:.0}"),
        small if small >= 10.0 => format!("{small:.1}"),
        small => format!("{small:.2}"),
    }
}

/// The latency in microseconds that so many per mille stay at or below; `latencies_ns` is sorted by this.
pub(crate) fn percentile_us(latencies_ns: &mut [u32], per_mille: usize) -> f64 {
    if latencies_ns.is_empty() {
        return f64::NAN;
    }
    let rank = (latencies_ns.len() * per_mille / 1_000).min(latencies_ns.len() - 1);
    let (_, latency, _) = latencies_ns.select_nth_unstable(rank);
    f64::from(*latency) / 1e3
}
