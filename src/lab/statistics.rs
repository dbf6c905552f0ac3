//! Medians and the like.

use std::time::Duration;

/// Times that were measured, in milliseconds, sorted.
#[derive(Clone, Debug, Default)]
pub struct Times {
    sorted: Vec<f64>,
}

impl Times {
    /// These.
    pub fn of(times: &[Duration]) -> Times {
        let mut all = Times::default();
        all.extend(times);
        all
    }

    /// These, too.
    pub fn extend<'a>(&mut self, times: impl IntoIterator<Item = &'a Duration>) {
        self.sorted
            .extend(times.into_iter().map(|time| milliseconds(*time)));
        self.sorted.sort_by(f64::total_cmp);
    }

    /// The middle one.
    pub fn median(&self) -> Option<f64> {
        self.at(0.5)
    }

    /// The one that this share of the others does not exceed: 0.99 for the 99th of a hundred.
    pub fn at(&self, share: f64) -> Option<f64> {
        let last = self.sorted.len().checked_sub(1)?;
        Some(self.sorted[(last as f64 * share).round() as usize])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// All of them, the shortest first.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }
}

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
