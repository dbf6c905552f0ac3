//! Commentary on a play: picks a phrase and fills its slots from the state of the game.

use super::bases::{Advance, PLATE};
use super::words::{self, Line, Words};
use super::{AWAY, Game, HOME};

impl Game {
    /// One of these phrases at random, with the slots filled that any play may use.
    pub(super) fn say(&mut self, phrases: &[Words]) -> Line {
        let line = Line::new(self.choose(phrases))
            .fill_name("{batter}", self.batter)
            .fill_name("{pitcher}", self.pitcher())
            .fill_name("{infield}", self.choose(words::INFIELD))
            .fill_name("{outfield}", self.choose(words::OUTFIELD))
            .fill(
                "{balls}",
                words::BALLS[self.balls],
                words::BALLS[self.balls],
            );
        self.fill_half(self.fill_count(line))
    }

    fn choose(&mut self, words: &[Words]) -> Words {
        words[self.rng.usize(..words.len())]
    }

    /// The count, balls first in both languages.
    fn fill_count(&self, line: Line) -> Line {
        let (balls, strikes) = (self.balls, self.strikes);
        let en = format!("{balls}-{strikes}");
        match (balls, strikes) {
            (3, 2) => line.fill("{count}", "full count", "풀카운트"),
            (0, _) => line.fill("{count}", &en, &format!("노볼 {strikes}스트라이크")),
            (_, 0) => line.fill("{count}", &en, &format!("{balls}볼 노스트라이크")),
            _ => line.fill("{count}", &en, &format!("{balls}볼 {strikes}스트라이크")),
        }
    }

    fn fill_half(&self, line: Line) -> Line {
        let inning = self.inning;
        let (en, ko) = if self.at_bat == AWAY {
            ("top", "초")
        } else {
            ("bottom", "말")
        };
        let en = format!("{en} of the {}", words::ordinal(inning));
        line.fill("{half}", &en, &format!("{inning}회{ko}"))
    }

    /// The game's number and its teams, for the line that opens a game.
    pub(super) fn fill_teams(&self, line: Line) -> Line {
        let number = self.number.to_string();
        line.fill("{game}", &number, &number)
            .fill_name("{away}", self.sides[AWAY].team.name)
            .fill_name("{home}", self.sides[HOME].team.name)
    }

    /// The score, the leader first.
    pub(super) fn fill_score(&self, line: Line) -> Line {
        let [away, home] = &self.sides;
        let (winner, loser) = if self.home_leads() {
            (home, away)
        } else {
            (away, home)
        };
        let (more, less) = (winner.runs, loser.runs);
        line.fill_name("{winner}", winner.team.name)
            .fill_name("{loser}", loser.team.name)
            .fill(
                "{score}",
                &format!("{more}-{less}"),
                &format!("{more} 대 {less}"),
            )
    }

    /// Adds who scored, and the new score. A walk-off leaves the score to the `final` play.
    pub(super) fn add_runs(&self, line: Line, advance: &Advance) -> Line {
        let line = match advance.scored.as_slice() {
            scored if advance.batter == PLATE => {
                line.fill_name("{homer}", words::HOMERS[scored.len()])
            }
            [] => return line,
            [runner] => line.then(Line::new(words::ONE_SCORES).fill_name("{runners}", *runner)),
            scored => line.then(Line::new(words::SOME_SCORE).fill_list("{runners}", scored)),
        };
        match self.walked_off() {
            true => line,
            false => line.then(self.fill_score(Line::new(self.standing()))),
        }
    }

    fn standing(&self) -> Words {
        match self.sides[AWAY].runs == self.sides[HOME].runs {
            true => words::TIED,
            false => words::LEADS,
        }
    }
}
