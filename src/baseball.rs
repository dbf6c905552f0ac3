//! The live ball game: news that changes every second or two, for as long as anyone asks.
//!
//! It is a simulation by the rules, and all of it comes from one seed: the same seed is the same
//! season, play by play. Nothing here knows of the network: whoever publishes the game takes
//! the [`Season::next_play`] and sleeps for its pause.
//!
//! What the scoreboard shows while a play is told is how things stand *after* it:
//! - a play that ends a turn at bat shows the count cleared (0-0), but still the batter it tells of;
//!   so there are never four balls or three strikes on the board;
//! - the play that makes the third out shows three outs and the runners who are left on base; they
//!   go with the `change` that follows. Only `final` may show three outs once more;
//! - `change` is already the new half: nobody out, its first batter, a 0 in the line.
//!
//! Chapter: [Polling](../../../../docs/polling.md).

mod bases;
mod commentary;
mod words;

use std::cmp::Ordering;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use bases::{Advance, Bases};
use words::{Line, Team, Words};

/// Innings in a game that is not tied.
const INNINGS: usize = 9;
/// The side that bats in the top of an inning.
const AWAY: usize = 0;
/// The side that bats in the bottom of an inning.
const HOME: usize = 1;

/// One play: what is published and how long after it the next one comes.
pub struct Play {
    /// The whole scoreboard and one line of commentary.
    pub data: Value,
    /// One or two seconds; longer after the end of a game.
    pub pause: Duration,
}

/// Games without end, all from one seed.
pub struct Season {
    rng: Rng,
    game: Game,
}

impl Season {
    /// The season that this seed stands for, before its first play.
    pub fn new(seed: u64) -> Season {
        let mut rng = Rng::with_seed(seed);
        let teams = words::TEAMS.iter().collect();
        let game = Game::new(1, teams, rng.fork());
        Season { rng, game }
    }

    /// Plays on: one pitch, or what comes between pitches.
    pub fn next_play(&mut self) -> Play {
        if self.game.next == Next::Nothing {
            self.game = self.next_game();
        }
        let news = self.game.play_on();
        let rest = if news.play == "final" { 2000 } else { 0 };
        let pause = Duration::from_millis(rest + self.rng.u64(1000..=2000));
        Play {
            data: self.game.scoreboard(news),
            pause,
        }
    }

    /// The next game is between two of those who did not play the last one.
    fn next_game(&mut self) -> Game {
        let played = self.game.sides.each_ref().map(|side| side.team.name.en);
        let rested = |team: &&Team| !played.contains(&team.name.en);
        let teams = words::TEAMS.iter().filter(rested).collect();
        Game::new(self.game.number + 1, teams, self.rng.fork())
    }
}

/// What the game does when it is asked for its next play.
#[derive(PartialEq)]
enum Next {
    Start,
    Pitch,
    Change,
    Final,
    /// The game is over and told to the end.
    Nothing,
}

/// What happened, in the word for programs and the line for people.
struct Told {
    play: &'static str,
    line: Line,
}

fn told(play: &'static str, line: Line) -> Told {
    Told { play, line }
}

/// One of the two teams, in this game.
struct Side {
    team: &'static Team,
    runs: usize,
    hits: u32,
    /// Errors this side made in the field.
    errors: u32,
    /// Runs by inning; a half that has not begun has no entry.
    line: Vec<usize>,
    /// Whose turn at bat it is, as a place in the line-up.
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

    /// Adds the runs of a play to the inning that has begun last.
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

/// A game: how it stands, and the dice that decide how it goes on.
struct Game {
    rng: Rng,
    /// One for the season's first.
    number: u32,
    /// Both sides, by [`AWAY`] and [`HOME`].
    sides: [Side; 2],
    /// One for the first; may go beyond nine.
    inning: usize,
    /// The side at bat, [`AWAY`] in the top and [`HOME`] in the bottom of an inning.
    at_bat: usize,
    balls: usize,
    strikes: usize,
    outs: usize,
    bases: Bases,
    /// Whom the play that is being told is about.
    batter: Words,
    next: Next,
}

/// Telling the game, one play after the other.
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

    fn play_on(&mut self) -> Told {
        match self.next {
            Next::Start => self.start(),
            Next::Pitch => self.pitch(),
            Next::Change => self.change(),
            Next::Final | Next::Nothing => self.finish(),
        }
    }

    fn start(&mut self) -> Told {
        self.begin_half();
        let line = self.say(words::START);
        told("start", self.fill_teams(line))
    }

    fn change(&mut self) -> Told {
        if self.at_bat == HOME {
            self.inning += 1;
        }
        self.at_bat = 1 - self.at_bat;
        self.begin_half();
        let extra = self.inning == INNINGS + 1 && self.at_bat == AWAY;
        let line = self.say(if extra { words::EXTRA } else { words::CHANGE });
        told("change", line)
    }

    fn begin_half(&mut self) {
        self.outs = 0;
        self.bases = Bases::empty();
        self.sides[self.at_bat].line.push(0);
        self.batter = self.sides[self.at_bat].batter();
        self.next = Next::Pitch;
    }

    fn finish(&mut self) -> Told {
        self.next = Next::Nothing;
        let phrases = if self.walked_off() {
            words::WALK_OFF
        } else {
            words::FINAL
        };
        let line = self.say(phrases);
        told("final", self.fill_score(line))
    }

    /// One pitch, and how often in a thousand it ends like this.
    fn pitch(&mut self) -> Told {
        self.batter = self.sides[self.at_bat].batter();
        let news = match self.rng.u32(0..1000) {
            0..330 => self.ball(),
            330..598 => self.strike(),
            598..830 => self.foul(),
            830..833 => self.hit_by_pitch(),
            _ => self.ball_in_play(),
        };
        self.next = self.what_follows();
        news
    }

    /// What is due after a pitch.
    fn what_follows(&self) -> Next {
        match self.outs {
            _ if self.is_decided() => Next::Final,
            3 => Next::Change,
            _ => Next::Pitch,
        }
    }

    /// From the ninth on, the game is over once a side leads and the other can't bat any more.
    /// The home side never bats when it leads: not after the top, nor past its winning run.
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

    /// With how many runs the side at bat ends the game at once; only the home side ever can.
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

/// What a pitch can come to.
impl Game {
    fn ball(&mut self) -> Told {
        if self.balls == 3 {
            return self.free_base("walk", words::WALK);
        }
        self.balls += 1;
        told("ball", self.say(words::BALL))
    }

    fn hit_by_pitch(&mut self) -> Told {
        self.free_base("hit-by-pitch", words::HIT_BY_PITCH)
    }

    /// The batter is given first base: only runners who must make room move.
    fn free_base(&mut self, play: &'static str, phrases: &[Words]) -> Told {
        let [first, second, _] = self.bases.taken().map(usize::from);
        let advance = self.run([1, first, first * second], 1);
        self.end_turn(play, phrases, advance)
    }

    /// With two strikes a batter guards the plate, and often fouls off what would be the third.
    fn strike(&mut self) -> Told {
        if self.strikes == 2 && self.chance(35) == 1 {
            return self.foul();
        }
        if self.strikes == 2 {
            self.outs += 1;
            return self.end_turn_out("strikeout", words::STRIKEOUT, Advance::none());
        }
        self.strikes += 1;
        told("strike", self.say(words::STRIKE))
    }

    /// A foul is a strike, but never the third.
    fn foul(&mut self) -> Told {
        if self.strikes == 2 {
            return told("foul", self.say(words::FOUL_ALIVE));
        }
        self.strikes += 1;
        told("foul", self.say(words::FOUL))
    }

    /// The ball is hit into the field, and how often in a thousand it ends like this.
    fn ball_in_play(&mut self) -> Told {
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

    /// A hit for so many bases. Who was on second or first may take one more than the batter.
    fn hit(&mut self, bases: usize) -> Told {
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

    fn error(&mut self) -> Told {
        self.sides[1 - self.at_bat].errors += 1;
        let advance = self.run([1, 1, 1], 1);
        self.end_turn("error", words::ERROR, advance)
    }

    /// With a runner on first the fielders go for second base, and with time left for first too.
    fn grounder(&mut self) -> Told {
        let in_time = self.outs < 2 && self.chance(45) == 1;
        match self.bases.on(1) {
            Some(runner) if in_time => self.double_play(runner),
            Some(runner) => self.force_out(runner),
            None => self.ground_out(),
        }
    }

    /// The runner from first is out at second, and the batter at first.
    fn double_play(&mut self, runner: Words) -> Told {
        self.bases.put_out(1);
        self.outs += 2;
        let advance = self.run_on_out([0, 1, 1], 0);
        let mut news = self.end_turn_out("double-play", words::DOUBLE_PLAY, advance);
        news.line = news.line.fill_name("{runner}", runner);
        news
    }

    /// The runner from first is out at second; the batter is safe meanwhile.
    fn force_out(&mut self, runner: Words) -> Told {
        self.bases.put_out(1);
        self.outs += 1;
        let advance = self.run_on_out([0, 1, 1], 1);
        let mut news = self.end_turn_out("out", words::FORCE_OUT, advance);
        news.line = news.line.fill_name("{runner}", runner);
        news
    }

    /// Nobody is forced to run, so sometimes nobody does.
    fn ground_out(&mut self) -> Told {
        self.outs += 1;
        let step = self.chance(50);
        let advance = self.run_on_out([0, step, step], 0);
        self.end_turn_out("out", words::GROUND_OUT, advance)
    }

    fn pop_out(&mut self) -> Told {
        self.outs += 1;
        self.end_turn_out("out", words::POP_OUT, Advance::none())
    }

    /// A ball caught in the outfield; if it is deep enough, the runner on third scores after the catch.
    fn fly(&mut self) -> Told {
        self.outs += 1;
        if self.outs == 3 || self.bases.on(3).is_none() || self.chance(55) == 0 {
            return self.end_turn_out("out", words::FLY_OUT, Advance::none());
        }
        let second = self.chance(30);
        let advance = self.run([0, second, 1], 0);
        self.end_turn_out("sacrifice-fly", words::SACRIFICE_FLY, advance)
    }
}

/// What a play changes: runs, outs, whose turn it is.
impl Game {
    /// The turn at bat is over: the count is cleared and the next in the line-up is up.
    fn end_turn(&mut self, play: &'static str, phrases: &[Words], advance: Advance) -> Told {
        (self.balls, self.strikes) = (0, 0);
        let side = &mut self.sides[self.at_bat];
        side.turn = (side.turn + 1) % side.team.lineup.len();
        side.score(advance.runs());
        let line = self.say(phrases);
        told(play, self.tell_runs(line, &advance))
    }

    /// As [`Game::end_turn`], for a play that made an out.
    fn end_turn_out(&mut self, play: &'static str, phrases: &[Words], advance: Advance) -> Told {
        let news = self.end_turn(play, phrases, advance);
        let outs = Line::new(words::OUTS[self.outs - 1]);
        told(play, news.line.then(outs))
    }

    /// Moves everyone by so many bases, the batter too; who scores does so in [`Game::end_turn`].
    fn run(&mut self, steps: [usize; 3], batter: usize) -> Advance {
        let advance = self.bases.run(steps, batter, self.runs_to_win());
        self.bases.join(self.batter, advance.batter);
        advance
    }

    /// As [`Game::run`]; but if the out was the third, the runners stay and no run counts.
    fn run_on_out(&mut self, steps: [usize; 3], batter: usize) -> Advance {
        let steps = if self.outs == 3 { [0; 3] } else { steps };
        self.run(steps, batter)
    }

    /// One if it happens, as it does so often in a hundred, else none.
    fn chance(&mut self, percent: u32) -> usize {
        (self.rng.u32(0..100) < percent) as usize
    }
}

/// What is published.
impl Game {
    /// How things stand after the play, and what is said of it.
    fn scoreboard(&self, news: Told) -> Value {
        json!({
            "game": self.number,
            "play": news.play,
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
            "final": news.play == "final",
            "text": { "en": news.line.en, "ko": news.line.ko },
        })
    }
}

fn both(words: Words) -> Value {
    json!({ "en": words.en, "ko": words.ko })
}
