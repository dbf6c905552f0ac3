//! The bases, and how runners come round them.

use super::words::Words;

/// Home plate as a runner's goal: the base after third.
pub const PLATE: usize = 4;

/// Who stands on first, second and third.
pub struct Bases([Option<Words>; 3]);

/// What came of a play on the bases.
pub struct Advance {
    /// Who scored from a base, the foremost first; a batter who hit a home run is not among them.
    pub scored: Vec<Words>,
    /// The base that the batter reached; 0 if out.
    pub batter: usize,
}

impl Advance {
    /// Nobody moved, and the batter is out.
    pub fn none() -> Advance {
        Advance {
            scored: Vec::new(),
            batter: 0,
        }
    }

    /// How many runs it brought.
    pub fn runs(&self) -> usize {
        self.scored.len() + (self.batter == PLATE) as usize
    }
}

impl Bases {
    /// Nobody on.
    pub fn empty() -> Bases {
        Bases([None; 3])
    }

    /// Which of the three are taken.
    pub fn taken(&self) -> [bool; 3] {
        self.0.map(|runner| runner.is_some())
    }

    /// Who stands on this base: 1, 2 or 3.
    pub fn on(&self, base: usize) -> Option<Words> {
        self.0[base - 1]
    }

    /// The runner on this base is out.
    pub fn put_out(&mut self, base: usize) {
        self.0[base - 1] = None;
    }

    /// The batter becomes a runner here, unless out (0) or home already ([`PLATE`]).
    pub fn join(&mut self, batter: Words, base: usize) {
        if (1..PLATE).contains(&base) {
            self.0[base - 1] = Some(batter);
        }
    }

    /// Moves those on first, second and third, and the batter, each by so many bases.
    ///
    /// The foremost goes first, and nobody passes or joins the one in front. Once `runs_to_win`
    /// have scored the plate is closed, and the hit is worth no more bases than the last of them
    /// needed; only on a home run does everyone still come home.
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
