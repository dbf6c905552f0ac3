//! The bases, and how runners advance.

use super::words::Words;

/// Home plate as a runner's destination: the base after third.
pub const PLATE: usize = 4;

/// The runners on first, second and third.
pub struct Bases([Option<Words>; 3]);

/// The result of a play on the bases.
pub struct Advance {
    /// Runners who scored, the lead runner first. The batter of a home run is not included.
    pub scored: Vec<Words>,
    /// The base that the batter reached; 0 means out.
    pub batter: usize,
}

impl Advance {
    /// No runner moved, and the batter is out.
    pub fn none() -> Advance {
        Advance {
            scored: Vec::new(),
            batter: 0,
        }
    }

    /// The number of runs scored, the batter's included.
    pub fn runs(&self) -> usize {
        self.scored.len() + (self.batter == PLATE) as usize
    }
}

impl Bases {
    /// No runners.
    pub fn empty() -> Bases {
        Bases([None; 3])
    }

    /// True for each base that has a runner.
    pub fn taken(&self) -> [bool; 3] {
        self.0.map(|runner| runner.is_some())
    }

    /// The runner on this base: 1, 2 or 3.
    pub fn on(&self, base: usize) -> Option<Words> {
        self.0[base - 1]
    }

    /// Removes the runner on this base, who is out.
    pub fn put_out(&mut self, base: usize) {
        self.0[base - 1] = None;
    }

    /// Puts the batter on this base. Nothing happens if the batter is out (0) or home already ([`PLATE`]).
    pub fn join(&mut self, batter: Words, base: usize) {
        if (1..PLATE).contains(&base) {
            self.0[base - 1] = Some(batter);
        }
    }

    /// Moves the runners from first, second and third by `steps`, and the batter by `batter` bases.
    ///
    /// The lead runner moves first, and no runner passes or joins the one ahead. After `runs_to_win` runs the
    /// game is won: nobody else scores, and the hit is worth no more bases than the winning runner needed. Only
    /// on a home run do all of them score.
    pub fn run(&mut self, steps: [usize; 3], mut batter: usize, runs_to_win: usize) -> Advance {
        let mut scored = Vec::new();
        let mut open = PLATE;
        for base in [3, 2, 1] {
            let Some(runner) = self.0[base - 1].take() else {
                continue;
            };
            let goal = (base + steps[base - 1]).min(open);
            if goal < PLATE {
                self.0[goal - 1] = Some(runner);
                open = goal - 1;
                continue;
            }
            scored.push(runner);
            if scored.len() == runs_to_win && batter < PLATE {
                open = PLATE - 1;
                batter = batter.min(PLATE - base);
            }
        }
        Advance {
            scored,
            batter: batter.min(open),
        }
    }
}
