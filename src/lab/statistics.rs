//! Medians and percentiles.

use std::time::Duration;

/// Measured times in milliseconds, sorted.
#[derive(Clone, Debug, Default)]
pub struct Times {
    sorted: Vec<f64>,
}

impl Times {
    /// From these times.
    pub fn of(times: &[Duration]) -> Times {
        let mut all = Times::default();
        all.extend(times);
        all
    }

    /// Adds these times.
    pub fn extend<'a>(&mut self, times: impl IntoIterator<Item = &'a Duration>) {
        self.sorted
            .extend(times.into_iter().map(|time| milliseconds(*time)));
        self.sorted.sort_by(f64::total_cmp);
    }

    pub fn median(&self) -> Option<f64> {
        self.at(0.5)
    }

    /// The time that this share of all times doesn't exceed: 0.99 for the 99th percentile.
    pub fn at(&self, share: f64) -> Option<f64> {
        let last = self.sorted.len().checked_sub(1)?;
        Some(self.sorted[(last as f64 * share).round() as usize])
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// All times, the shortest first.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }
}

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The median of some figures.
pub fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
