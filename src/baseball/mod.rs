//! The live ball game: an endless source of events, one every second or two.
//!
//! It simulates baseball by the rules. Everything follows from one seed: the same seed gives the same season,
//! play by play. Only [`baseball_thread`] publishes; the rest knows neither the hub nor the network.
//!
//! Begin here, with [`baseball_thread`] and [`Season::next_play`]; the game and its rules follow. Then:
//! - `bases.rs`: the bases, and how runners advance
//! - `commentary.rs`: picks a phrase for a play and fills its slots
//! - `words.rs`: the teams and the phrases, in English and Korean
//!
//! The scoreboard of a play shows the state *after* it:
//! - A play that ends a turn at bat shows the count cleared (0-0), but still its own batter. So the
//!   scoreboard never has four balls or three strikes.
//! - The play that makes the third out shows three outs and the runners left on base. The `change` that follows
//!   clears both. Only `final` may repeat the three outs.
//! - `change` shows the new half: no outs, its first batter, a 0 in the line score.
//!
//! Chapter: [Polling](../../../../docs/polling.md).

mod bases;
mod commentary;
mod words;

use std::cmp::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use fastrand::Rng;
use log::warn;
use serde_json::{Value, json};

use crate::hub::Hub;
use bases::{Advance, Bases};
use words::{Line, Team, Words};

/// Innings in a game that is not tied.
const INNINGS: usize = 9;
/// The side that bats in the top of an inning.
const AWAY: usize = 0;
/// The side that bats in the bottom of an inning.
const HOME: usize = 1;

/// Publishes one play after another, with the pause that each asks for, until `ends` disconnects.
pub fn baseball_thread(hub: &Hub, seed: u64, ends: &Receiver<()>) {
    let mut season = Season::new(seed);
    loop {
        let play = season.next_play();
        if hub.publish("baseball", &play.data).is_err() {
            warn!("cannot publish the ball game: the hub has no room for another topic");
        }
        if ends.recv_timeout(play.pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// One play, ready to publish.
pub struct Play {
    /// The scoreboard, with one line of commentary.
    pub data: Value,
    /// Time until the next play: one or two seconds, longer after the end of a game.
    pub pause: Duration,
}

/// An endless series of games, all from one seed.
pub struct Season {
    rng: Rng,
    game: Game,
}

impl Season {
    /// The season of this seed, before its first play.
    pub fn new(seed: u64) -> Season {
        let mut rng = Rng::with_seed(seed);
        let teams = words::TEAMS.iter().collect();
        let game = Game::new(1, teams, rng.fork());
        Season { rng, game }
    }

    /// The next play: a pitch, or one of the plays between pitches.
    pub fn next_play(&mut self) -> Play {
        if self.game.next == Next::Nothing {
            self.game = self.next_game();
        }
        let outcome = self.game.play_on();
        let rest = if outcome.play == "final" { 2000 } else { 0 };
        let pause = Duration::from_millis(rest + self.rng.u64(1000..=2000));
        Play {
            data: self.game.scoreboard(outcome),
            pause,
        }
    }

    /// A game between two teams that did not play the last one.
    fn next_game(&mut self) -> Game {
        let played = self.game.sides.each_ref().map(|side| side.team.name.en);
        let rested = |team: &&Team| !played.contains(&team.name.en);
        let teams = words::TEAMS.iter().filter(rested).collect();
        Game::new(self.game.number + 1, teams, self.rng.fork())
    }
}

/// What the next play will be.
#[derive(PartialEq)]
enum Next {
    Start,
    Pitch,
    Change,
    Final,
    /// The game is over and its last line has been published.
    Nothing,
}

/// What happened: the play's name for programs, and a line for readers.
struct Outcome {
    play: &'static str,
    line: Line,
}

fn outcome(play: &'static str, line: Line) -> Outcome {
    Outcome { play, line }
}

/// One of the two teams, in this game.
struct Side {
    team: &'static Team,
    runs: usize,
    hits: u32,
    /// Errors made by this side in the field.
    errors: u32,
    /// Runs per inning; a half that has not begun has no entry.
    line: Vec<usize>,
    /// The next batter, as an index into the lineup.
    turn: usize,
}

impl Side {
    fn new(team: &'static Team) -> Side {
        Side {
            team,
            runs: 0,
            hits: 0,
            errors: 0,
            line: Vec::new(),
            turn: 0,
        }
    }

    fn batter(&self) -> Words {
        self.team.lineup[self.turn]
    }

    /// Adds the runs of a play to the current inning.
    fn score(&mut self, runs: usize) {
        self.runs += runs;
        if let Some(inning) = self.line.last_mut() {
            *inning += runs;
        }
    }

    fn scoreboard(&self) -> Value {
        json!({
            "name": both(self.team.name),
            "runs": self.runs,
            "hits": self.hits,
            "errors": self.errors,
            "line": self.line,
        })
    }
}

/// A game: its state, and the random numbers that decide what happens next.
struct Game {
    rng: Rng,
    /// The season's first game is 1.
    number: u32,
    /// Indexed by [`AWAY`] and [`HOME`].
    sides: [Side; 2],
    /// From 1; more than nine in extra innings.
    inning: usize,
    /// The side at bat: [`AWAY`] in the top of an inning, [`HOME`] in the bottom.
    at_bat: usize,
    balls: usize,
    strikes: usize,
    outs: usize,
    bases: Bases,
    /// The batter of the current play.
    batter: Words,
    next: Next,
}

/// The course of the game, one play after the other.
impl Game {
    fn new(number: u32, mut teams: Vec<&'static Team>, mut rng: Rng) -> Game {
        rng.shuffle(&mut teams);
        let sides = [Side::new(teams[AWAY]), Side::new(teams[HOME])];
        Game {
            rng,
            number,
            inning: 1,
            at_bat: AWAY,
            balls: 0,
            strikes: 0,
            outs: 0,
            bases: Bases::empty(),
            batter: sides[AWAY].batter(),
            sides,
            next: Next::Start,
        }
    }

    fn play_on(&mut self) -> Outcome {
        match self.next {
            Next::Start => self.start(),
            Next::Pitch => self.pitch(),
            Next::Change => self.change(),
            Next::Final | Next::Nothing => self.finish(),
        }
    }

    fn start(&mut self) -> Outcome {
        self.begin_half();
        let line = self.say(words::START);
        outcome("start", self.fill_teams(line))
    }

    fn change(&mut self) -> Outcome {
        if self.at_bat == HOME {
            self.inning += 1;
        }
        self.at_bat = 1 - self.at_bat;
        self.begin_half();
        let extra = self.inning == INNINGS + 1 && self.at_bat == AWAY;
        let line = self.say(if extra { words::EXTRA } else { words::CHANGE });
        outcome("change", line)
    }

    fn begin_half(&mut self) {
        self.outs = 0;
        self.bases = Bases::empty();
        self.sides[self.at_bat].line.push(0);
        self.batter = self.sides[self.at_bat].batter();
        self.next = Next::Pitch;
    }

    fn finish(&mut self) -> Outcome {
        self.next = Next::Nothing;
        let phrases = if self.walked_off() {
            words::WALK_OFF
        } else {
            words::FINAL
        };
        let line = self.say(phrases);
        outcome("final", self.fill_score(line))
    }

    /// One pitch. The numbers are chances in a thousand.
    fn pitch(&mut self) -> Outcome {
        self.batter = self.sides[self.at_bat].batter();
        let outcome = match self.rng.u32(0..1000) {
            0..330 => self.ball(),
            330..598 => self.strike(),
            598..830 => self.foul(),
            830..833 => self.hit_by_pitch(),
            _ => self.ball_in_play(),
        };
        self.next = self.what_follows();
        outcome
    }

    /// What comes after this pitch.
    fn what_follows(&self) -> Next {
        match self.outs {
            _ if self.is_decided() => Next::Final,
            3 => Next::Change,
            _ => Next::Pitch,
        }
    }

    /// From the ninth inning on, the game is over once one side leads and the other can't bat any more.
    /// The home side never bats while it leads: not after the top half, and not after its winning run.
    fn is_decided(&self) -> bool {
        let half_over = self.outs == 3;
        let bottom = self.at_bat == HOME;
        self.inning >= INNINGS
            && match self.sides[HOME].runs.cmp(&self.sides[AWAY].runs) {
                Ordering::Greater => half_over || bottom,
                Ordering::Less => half_over && bottom,
                Ordering::Equal => false,
            }
    }

    fn home_leads(&self) -> bool {
        self.sides[HOME].runs > self.sides[AWAY].runs
    }

    /// The home side has won in its last turn at bat.
    fn walked_off(&self) -> bool {
        self.is_decided() && self.at_bat == HOME && self.home_leads()
    }

    /// How many runs end the game at once for the side at bat. Only the home side can do that.
    fn runs_to_win(&self) -> usize {
        match self.inning >= INNINGS && self.at_bat == HOME {
            true => self.sides[AWAY].runs + 1 - self.sides[HOME].runs,
            false => usize::MAX,
        }
    }

    fn pitcher(&self) -> Words {
        self.sides[1 - self.at_bat].team.pitcher
    }
}

/// The results of a pitch.
impl Game {
    fn ball(&mut self) -> Outcome {
        if self.balls == 3 {
            return self.free_base("walk", words::WALK);
        }
        self.balls += 1;
        outcome("ball", self.say(words::BALL))
    }

    fn hit_by_pitch(&mut self) -> Outcome {
        self.free_base("hit-by-pitch", words::HIT_BY_PITCH)
    }

    /// The batter is awarded first base. A runner moves only if forced to make room.
    fn free_base(&mut self, play: &'static str, phrases: &[Words]) -> Outcome {
        let [first, second, _] = self.bases.taken().map(usize::from);
        let advance = self.run([1, first, first * second], 1);
        self.end_turn(play, phrases, advance)
    }

    /// With two strikes the batter protects the plate and often fouls off the third.
    fn strike(&mut self) -> Outcome {
        if self.strikes == 2 && self.chance(35) == 1 {
            return self.foul();
        }
        if self.strikes == 2 {
            self.outs += 1;
            return self.end_turn_out("strikeout", words::STRIKEOUT, Advance::none());
        }
        self.strikes += 1;
        outcome("strike", self.say(words::STRIKE))
    }

    /// A foul counts as a strike, but never as the third.
    fn foul(&mut self) -> Outcome {
        if self.strikes == 2 {
            return outcome("foul", self.say(words::FOUL_ALIVE));
        }
        self.strikes += 1;
        outcome("foul", self.say(words::FOUL))
    }

    /// A ball hit into the field. The numbers are chances in a thousand.
    fn ball_in_play(&mut self) -> Outcome {
        match self.rng.u32(0..1000) {
            0..225 => self.hit(1),
            225..291 => self.hit(2),
            291..298 => self.hit(3),
            298..340 => self.hit(4),
            340..360 => self.error(),
            360..690 => self.grounder(),
            690..760 => self.pop_out(),
            _ => self.fly(),
        }
    }

    /// A hit worth this many bases. Runners from first and second may take one more than the batter.
    fn hit(&mut self, bases: usize) -> Outcome {
        self.sides[self.at_bat].hits += 1;
        let runners = [bases + self.chance(30), bases + self.chance(60), bases];
        let advance = self.run(runners, bases);
        match advance.batter {
            1 => self.end_turn("single", words::SINGLE, advance),
            2 => self.end_turn("double", words::DOUBLE, advance),
            3 => self.end_turn("triple", words::TRIPLE, advance),
            _ => self.end_turn("home-run", words::HOME_RUN, advance),
        }
    }

    fn error(&mut self) -> Outcome {
        self.sides[1 - self.at_bat].errors += 1;
        let advance = self.run([1, 1, 1], 1);
        self.end_turn("error", words::ERROR, advance)
    }

    /// With a runner on first the fielders throw to second base, and to first as well if there is time.
    fn grounder(&mut self) -> Outcome {
        let in_time = self.outs < 2 && self.chance(45) == 1;
        match self.bases.on(1) {
            Some(runner) if in_time => self.double_play(runner),
            Some(runner) => self.force_out(runner),
            None => self.ground_out(),
        }
    }

    /// The runner from first is out at second, the batter at first.
    fn double_play(&mut self, runner: Words) -> Outcome {
        self.bases.put_out(1);
        self.outs += 2;
        let advance = self.run_on_out([0, 1, 1], 0);
        let mut outcome = self.end_turn_out("double-play", words::DOUBLE_PLAY, advance);
        outcome.line = outcome.line.fill_name("{runner}", runner);
        outcome
    }

    /// The runner from first is out at second; the batter is safe at first.
    fn force_out(&mut self, runner: Words) -> Outcome {
        self.bases.put_out(1);
        self.outs += 1;
        let advance = self.run_on_out([0, 1, 1], 1);
        let mut outcome = self.end_turn_out("out", words::FORCE_OUT, advance);
        outcome.line = outcome.line.fill_name("{runner}", runner);
        outcome
    }

    /// No runner is forced, so sometimes none moves.
    fn ground_out(&mut self) -> Outcome {
        self.outs += 1;
        let step = self.chance(50);
        let advance = self.run_on_out([0, step, step], 0);
        self.end_turn_out("out", words::GROUND_OUT, advance)
    }

    fn pop_out(&mut self) -> Outcome {
        self.outs += 1;
        self.end_turn_out("out", words::POP_OUT, Advance::none())
    }

    /// A ball caught in the outfield. If it is deep enough, the runner on third scores after the catch.
    fn fly(&mut self) -> Outcome {
        self.outs += 1;
        if self.outs == 3 || self.bases.on(3).is_none() || self.chance(55) == 0 {
            return self.end_turn_out("out", words::FLY_OUT, Advance::none());
        }
        let second = self.chance(30);
        let advance = self.run([0, second, 1], 0);
        self.end_turn_out("sacrifice-fly", words::SACRIFICE_FLY, advance)
    }
}

/// The effects of a play: runs, outs, and the next batter.
impl Game {
    /// Ends the turn at bat: clears the count, adds the runs, and moves on to the next in the lineup.
    fn end_turn(&mut self, play: &'static str, phrases: &[Words], advance: Advance) -> Outcome {
        (self.balls, self.strikes) = (0, 0);
        let side = &mut self.sides[self.at_bat];
        side.turn = (side.turn + 1) % side.team.lineup.len();
        side.score(advance.runs());
        let line = self.say(phrases);
        outcome(play, self.add_runs(line, &advance))
    }

    /// Like [`Game::end_turn`], for a play that made an out.
    fn end_turn_out(&mut self, play: &'static str, phrases: &[Words], advance: Advance) -> Outcome {
        let mut outcome = self.end_turn(play, phrases, advance);
        let outs = Line::new(words::OUTS[self.outs - 1]);
        outcome.line = outcome.line.then(outs);
        outcome
    }

    /// Moves each runner and the batter by a number of bases. [`Game::end_turn`] adds the runs.
    fn run(&mut self, steps: [usize; 3], batter: usize) -> Advance {
        let advance = self.bases.run(steps, batter, self.runs_to_win());
        self.bases.join(self.batter, advance.batter);
        advance
    }

    /// Like [`Game::run`], but after a third out the runners stay and no run counts.
    fn run_on_out(&mut self, steps: [usize; 3], batter: usize) -> Advance {
        let steps = if self.outs == 3 { [0; 3] } else { steps };
        self.run(steps, batter)
    }

    /// 1 with this chance in a hundred, else 0.
    fn chance(&mut self, percent: u32) -> usize {
        (self.rng.u32(0..100) < percent) as usize
    }
}

/// What gets published.
impl Game {
    /// The state after the play, and its commentary.
    fn scoreboard(&self, outcome: Outcome) -> Value {
        json!({
            "game": self.number,
            "play": outcome.play,
            "inning": self.inning,
            "half": if self.at_bat == AWAY { "top" } else { "bottom" },
            "away": self.sides[AWAY].scoreboard(),
            "home": self.sides[HOME].scoreboard(),
            "balls": self.balls,
            "strikes": self.strikes,
            "outs": self.outs,
            "bases": self.bases.taken(),
            "batter": both(self.batter),
            "pitcher": both(self.pitcher()),
            "final": outcome.play == "final",
            "text": { "en": outcome.line.en, "ko": outcome.line.ko },
        })
    }
}

fn both(words: Words) -> Value {
    json!({ "en": words.en, "ko": words.ko })
}
