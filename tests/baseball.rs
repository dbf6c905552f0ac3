//! The ball game keeps the rules of baseball.
//!
//! The tests see only what a referee with the scoreboard sees: pairs of scoreboards, one before a play and one after
//! it, in the first games of 300 seasons.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use comet::baseball::Season;
use serde_json::Value;

/// Plays that end a turn at bat with one or two outs.
const OUTS: [&str; 4] = ["strikeout", "out", "double-play", "sacrifice-fly"];
/// Plays that end a turn at bat without an out.
const SAFE: [&str; 7] = [
    "walk",
    "hit-by-pitch",
    "error",
    "single",
    "double",
    "triple",
    "home-run",
];
const HITS: [&str; 4] = ["single", "double", "triple", "home-run"];
/// Plays after which the same batter stays.
const PITCHES: [&str; 3] = ["ball", "strike", "foul"];

/// A scoreboard, parsed once as many tests read it.
#[derive(Debug)]
struct Board {
    play: String,
    game: u64,
    inning: usize,
    /// True in the bottom of the inning, when the home side bats.
    bottom: bool,
    sides: [Side; 2],
    balls: u64,
    strikes: u64,
    outs: u64,
    bases: [bool; 3],
    batter: [String; 2],
    pitcher: [String; 2],
    text: [String; 2],
}

#[derive(Debug)]
struct Side {
    name: [String; 2],
    runs: u64,
    hits: u64,
    errors: u64,
    line: Vec<u64>,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Words in English and in Korean.
fn both(value: &Value) -> [String; 2] {
    ["en", "ko"].map(|language| value[language].as_str().unwrap().to_string())
}

impl Side {
    fn read(value: &Value) -> Side {
        Side {
            name: both(&value["name"]),
            runs: number(&value["runs"]),
            hits: number(&value["hits"]),
            errors: number(&value["errors"]),
            line: value["line"]
                .as_array()
                .unwrap()
                .iter()
                .map(number)
                .collect(),
        }
    }
}

impl Board {
    fn read(value: &Value) -> Board {
        Board {
            play: value["play"].as_str().unwrap().to_string(),
            game: number(&value["game"]),
            inning: number(&value["inning"]) as usize,
            bottom: value["half"] == "bottom",
            sides: ["away", "home"].map(|side| Side::read(&value[side])),
            balls: number(&value["balls"]),
            strikes: number(&value["strikes"]),
            outs: number(&value["outs"]),
            bases: [0, 1, 2].map(|base| value["bases"][base].as_bool().unwrap()),
            batter: both(&value["batter"]),
            pitcher: both(&value["pitcher"]),
            text: both(&value["text"]),
        }
    }

    fn is(&self, plays: &[&str]) -> bool {
        plays.contains(&self.play.as_str())
    }

    fn ends_a_turn(&self) -> bool {
        self.is(&OUTS) || self.is(&SAFE)
    }

    fn count(&self) -> [u64; 3] {
        [self.balls, self.strikes, self.outs]
    }

    /// The away side, then the home side.
    fn runs(&self) -> [u64; 2] {
        [self.sides[0].runs, self.sides[1].runs]
    }

    fn total_runs(&self) -> u64 {
        self.sides[0].runs + self.sides[1].runs
    }

    fn on_base(&self) -> u64 {
        self.bases.iter().map(|&taken| u64::from(taken)).sum()
    }

    /// The bases with runners, the foremost first.
    fn runners(&self) -> Vec<usize> {
        [3, 2, 1]
            .into_iter()
            .filter(|base| self.bases[base - 1])
            .collect()
    }

    fn batting(&self) -> &Side {
        &self.sides[usize::from(self.bottom)]
    }

    fn fielding(&self) -> &Side {
        &self.sides[usize::from(!self.bottom)]
    }

    fn home_leads(&self) -> bool {
        self.sides[1].runs > self.sides[0].runs
    }

    /// True in an inning in which the game may end.
    fn is_late(&self) -> bool {
        self.inning >= 9
    }

    /// True if the home side took the lead in its last half and so ended the game.
    fn is_walked_off(&self) -> bool {
        self.is_late() && self.bottom && self.home_leads()
    }
}

/// The games, each from its `start` to its `final`. Two threads play them, as it takes a while.
static GAMES: LazyLock<Vec<Vec<Board>>> = LazyLock::new(|| {
    let players =
        [0..150, 150..300].map(|seeds| thread::spawn(|| seeds.map(first_game).collect::<Vec<_>>()));
    players
        .into_iter()
        .flat_map(|player| player.join().unwrap())
        .collect()
});

fn first_game(seed: u64) -> Vec<Board> {
    let mut season = Season::new(seed);
    let mut plays = Vec::new();
    while plays
        .last()
        .is_none_or(|board: &Board| board.play != "final")
    {
        plays.push(Board::read(&season.next_play().data));
        assert!(plays.len() < 5000, "seed {seed}: a game without end");
    }
    plays
}

fn boards() -> impl Iterator<Item = &'static Board> {
    GAMES.iter().flatten()
}

/// The last scoreboard of each game.
fn finals() -> impl Iterator<Item = &'static Board> {
    GAMES.iter().filter_map(|game| game.last())
}

/// Each play of each game: the scoreboard before it, and after it.
fn steps() -> impl Iterator<Item = (&'static Board, &'static Board)> {
    GAMES
        .iter()
        .flat_map(|game| game.windows(2))
        .map(|pair| (&pair[0], &pair[1]))
}

/// The plays that ended a turn at bat, with the runs that they scored.
fn turns() -> impl Iterator<Item = (&'static Board, &'static Board, u64)> {
    let turns = steps().filter(|(_, after)| after.ends_a_turn());
    turns.map(|(before, after)| (before, after, after.total_runs() - before.total_runs()))
}

#[test]
fn a_scoreboard_has_every_key() {
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    let set = |keys: &str| keys.split(' ').map(String::from).collect::<BTreeSet<_>>();
    let mut season = Season::new(1);
    for _ in 0..500 {
        let board = season.next_play().data;
        let all =
            "game play inning half away home balls strikes outs bases batter pitcher final text";
        assert_eq!(keys(&board), set(all));
        for side in ["away", "home"] {
            assert_eq!(keys(&board[side]), set("name runs hits errors line"));
        }
        assert!(board["half"] == "top" || board["half"] == "bottom");
        assert_eq!(board["bases"].as_array().unwrap().len(), 3);
        assert_eq!(board["final"].as_bool().unwrap(), board["play"] == "final");
    }
}

#[test]
fn a_game_opens_with_an_empty_scoreboard() {
    for board in GAMES.iter().map(|game| &game[0]) {
        assert_eq!(
            (board.play.as_str(), board.inning, board.bottom),
            ("start", 1, false)
        );
        assert_eq!(
            (board.count(), board.on_base(), board.runs()),
            ([0, 0, 0], 0, [0, 0])
        );
        assert_eq!(
            (
                board.sides[0].line.as_slice(),
                board.sides[1].line.as_slice()
            ),
            (&[0][..], &[][..])
        );
        assert_ne!(board.sides[0].name, board.sides[1].name);
    }
}

#[test]
fn the_count_goes_by_the_rules() {
    for (before, after) in steps() {
        let [balls, strikes, outs] = before.count();
        let expected = match after.play.as_str() {
            "ball" => [balls + 1, strikes, outs],
            "strike" => [balls, strikes + 1, outs],
            "foul" => [balls, 2.min(strikes + 1), outs],
            "change" => [0, 0, 0],
            "final" => [balls, strikes, outs],
            "double-play" => [0, 0, outs + 2],
            _ if after.is(&OUTS) => [0, 0, outs + 1],
            _ => [0, 0, outs],
        };
        assert_eq!(after.count(), expected, "{before:?}\n{after:?}");
    }
}

#[test]
fn the_count_is_never_illegal() {
    for (before, after) in steps() {
        assert!(
            after.balls <= 3 && after.strikes <= 2 && after.outs <= 3,
            "{after:?}"
        );
        assert!(
            after.play != "walk" || before.balls == 3,
            "{before:?}\n{after:?}"
        );
        assert!(
            after.play != "strikeout" || before.strikes == 2,
            "{before:?}\n{after:?}"
        );
    }
}

#[test]
fn three_outs_or_the_winning_run_end_the_half() {
    for (before, after) in steps() {
        let over = before.outs == 3 || before.is_walked_off();
        assert_eq!(
            over,
            after.is(&["change", "final"]),
            "{before:?}\n{after:?}"
        );
    }
}

#[test]
fn a_change_begins_the_other_half() {
    for (before, after) in steps().filter(|(_, after)| after.play == "change") {
        assert_eq!(after.inning, before.inning + usize::from(before.bottom));
        assert_ne!(after.bottom, before.bottom);
        assert_ne!(after.pitcher, before.pitcher);
        assert_eq!((after.on_base(), after.runs()), (0, before.runs()));
    }
}

#[test]
fn only_a_change_changes_the_half() {
    for (before, after) in steps().filter(|(_, after)| after.play != "change") {
        let half = |board: &Board| {
            (
                board.game,
                board.inning,
                board.bottom,
                board.pitcher.clone(),
            )
        };
        assert_eq!(half(before), half(after), "{after:?}");
    }
}

#[test]
fn runs_are_the_sum_of_the_line() {
    for board in boards() {
        let begun = [board.inning, board.inning - usize::from(!board.bottom)];
        for (side, begun) in board.sides.iter().zip(begun) {
            assert_eq!(side.line.iter().sum::<u64>(), side.runs, "{board:?}");
            assert_eq!(side.line.len(), begun, "{board:?}");
        }
    }
}

#[test]
fn runs_go_to_the_inning_in_which_they_score() {
    for (before, after, scored) in turns() {
        let this_inning = |board: &Board| board.batting().line[board.inning - 1];
        assert_eq!(
            this_inning(after) - this_inning(before),
            scored,
            "{after:?}"
        );
    }
}

#[test]
fn only_the_side_at_bat_scores_and_only_when_a_turn_ends() {
    for (before, after) in steps().filter(|(_, after)| after.play != "change") {
        assert_eq!(before.fielding().runs, after.fielding().runs, "{after:?}");
        assert!(
            after.ends_a_turn() || before.batting().runs == after.batting().runs,
            "{after:?}"
        );
    }
}

#[test]
fn hits_and_errors_are_counted_for_the_right_side() {
    for (before, after) in steps().filter(|(_, after)| after.play != "change") {
        let hit = u64::from(after.is(&HITS));
        let error = u64::from(after.play == "error");
        let (batting, fielding) = (before.batting(), before.fielding());
        assert_eq!(
            (after.batting().hits, after.batting().errors),
            (batting.hits + hit, batting.errors)
        );
        assert_eq!(
            (after.fielding().hits, after.fielding().errors),
            (fielding.hits, fielding.errors + error)
        );
    }
}

/// A batter scores, is put out, or is on base at the end of the half.
#[test]
fn no_runner_vanishes() {
    let accounted = |board: &Board| board.total_runs() + board.outs + board.on_base();
    for (before, after, _) in turns() {
        assert_eq!(
            accounted(after),
            accounted(before) + 1,
            "{before:?}\n{after:?}"
        );
    }
}

#[test]
fn every_batter_of_a_half_scored_or_was_out_or_was_left_on_base() {
    for half in GAMES
        .iter()
        .flat_map(|game| game.chunk_by(|_, next| next.play != "change"))
    {
        let last = half.iter().rfind(|board| board.play != "final").unwrap();
        let came = half.iter().filter(|board| board.ends_a_turn()).count() as u64;
        let scored = last.total_runs() - half[0].total_runs();
        assert_eq!(came, scored + last.outs + last.on_base(), "{last:?}");
    }
}

#[test]
fn no_runner_moves_on_a_pitch_that_is_not_hit() {
    let still = |board: &Board| board.is(&PITCHES) || board.is(&["strikeout", "final"]);
    for (before, after) in steps().filter(|(_, after)| still(after)) {
        assert_eq!(before.bases, after.bases, "{before:?}\n{after:?}");
    }
}

/// On a play without an out the runners keep their order, so the k-th must stay the k-th, and none may go back.
#[test]
fn no_runner_goes_back() {
    for (before, after, scored) in turns().filter(|(_, after, _)| after.is(&SAFE)) {
        let from = before.runners().into_iter().chain([0]);
        let to = vec![4; scored as usize].into_iter().chain(after.runners());
        assert!(
            from.zip(to).all(|(from, to)| from <= to),
            "{before:?}\n{after:?}"
        );
    }
}

/// Follows the runners by name, the foremost first. The one who scores must be the first, and the commentary names
/// them.
#[test]
fn no_runner_passes_another() {
    for game in GAMES.iter() {
        let mut queue: Vec<&str> = Vec::new();
        for pair in game.windows(2) {
            match &pair[1] {
                after if after.play == "change" => queue.clear(),
                after if after.ends_a_turn() => follow_the_names(&mut queue, &pair[0], after),
                _ => {}
            }
            assert_eq!(queue.len() as u64, pair[1].on_base(), "{:?}", pair[1]);
        }
    }
}

fn follow_the_names<'a>(queue: &mut Vec<&'a str>, before: &Board, after: &'a Board) {
    let text = &after.text[0];
    let forced = text.contains("forced") || text.contains("fielder's choice");
    if forced || after.play == "double-play" {
        let out = queue.pop().expect("a runner on first");
        assert!(
            before.bases[0] && (!forced || text.contains(out)),
            "{out} is out: {after:?}"
        );
    }
    if forced || after.is(&SAFE) {
        queue.push(&after.batter[0]);
    }
    let home: Vec<&str> = queue
        .drain(..(after.total_runs() - before.total_runs()) as usize)
        .collect();
    let expected = match home[..] {
        _ if after.play == "home-run" => return,
        [] => return assert!(!text.contains("score"), "{after:?}"),
        [one] => format!(" {one} scores."),
        [one, two] => format!(" {one} and {two} score."),
        [one, two, three] => format!(" {one}, {two} and {three} score."),
        _ => panic!("four runs without a home run: {after:?}"),
    };
    assert!(text.contains(&expected), "{expected} {after:?}");
}

#[test]
fn a_walk_moves_only_runners_that_are_forced() {
    let mut forced_in = 0;
    for (before, after, scored) in
        turns().filter(|(_, after, _)| after.is(&["walk", "hit-by-pitch"]))
    {
        let (expected, run) = match before.bases {
            [false, second, third] => ([true, second, third], 0),
            [true, false, third] => ([true, true, third], 0),
            [true, true, false] => ([true, true, true], 0),
            [true, true, true] => ([true, true, true], 1),
        };
        assert_eq!(
            (after.bases, scored),
            (expected, run),
            "{before:?}\n{after:?}"
        );
        forced_in += run;
    }
    assert!(forced_in > 20, "only {forced_in} with the bases loaded");
}

#[test]
fn a_batter_stands_where_the_play_says() {
    for (before, after, scored) in turns() {
        match after.play.as_str() {
            "single" | "error" => assert!(after.bases[0], "{after:?}"),
            "double" => assert!(!after.bases[0] && after.bases[1], "{after:?}"),
            "triple" => assert_eq!(after.bases, [false, false, true], "{after:?}"),
            "home-run" => assert_eq!(
                (after.on_base(), scored),
                (0, before.on_base() + 1),
                "{after:?}"
            ),
            _ => {}
        }
    }
}

/// Every runner who was no farther from home than the batter went scores, but none after the winning run.
#[test]
fn a_hit_brings_home_the_runners_it_must() {
    for (before, after, scored) in turns().filter(|(_, after, _)| !after.is_walked_off()) {
        let near = match after.play.as_str() {
            "single" | "error" => 3,
            "double" => 2,
            "triple" => 1,
            _ => continue,
        };
        let must = before
            .runners()
            .into_iter()
            .filter(|&base| base >= near)
            .count() as u64;
        let may = before
            .runners()
            .into_iter()
            .filter(|&base| base + 1 >= near)
            .count() as u64;
        assert!((must..=may).contains(&scored), "{before:?}\n{after:?}");
    }
}

#[test]
fn a_double_play_needs_a_runner_on_first_and_fewer_than_two_outs() {
    for (before, after) in steps().filter(|(_, after)| after.play == "double-play") {
        assert!(before.bases[0] && before.outs < 2, "{before:?}\n{after:?}");
    }
}

/// The easy out is at second base with a runner on first, and at first base without one.
#[test]
fn a_ground_ball_forces_the_runner_from_first() {
    let says =
        |board: &Board, words: &[&str]| words.iter().any(|word| board.text[0].contains(word));
    let (mut forced, mut thrown_out) = (0, 0);
    for (before, after) in steps().filter(|(_, after)| after.play == "out") {
        if says(after, &["forced", "fielder's choice"]) {
            assert!(before.bases[0] && after.bases[0], "{before:?}\n{after:?}");
            forced += 1;
        } else if says(after, &["grounds out", "bouncer", "chops"]) {
            assert!(!before.bases[0], "{before:?}\n{after:?}");
            thrown_out += 1;
        }
    }
    assert!(forced > 100 && thrown_out > 100, "{forced} {thrown_out}");
}

#[test]
fn a_sacrifice_fly_brings_home_the_runner_from_third_with_fewer_than_two_outs() {
    for (before, after, scored) in turns().filter(|(_, after, _)| after.play == "sacrifice-fly") {
        assert!(
            before.bases[2] && before.outs < 2 && scored == 1,
            "{before:?}\n{after:?}"
        );
    }
}

#[test]
fn no_run_counts_on_the_third_out() {
    for (before, after, scored) in turns().filter(|(_, after, _)| after.outs == 3) {
        assert_eq!(scored, 0, "{before:?}\n{after:?}");
    }
}

#[test]
fn the_batting_order_goes_on_across_innings_and_comes_round() {
    for (game, bottom) in GAMES.iter().flat_map(|game| [(game, false), (game, true)]) {
        let turns = game
            .iter()
            .filter(|board| board.bottom == bottom && board.ends_a_turn());
        let batters: Vec<&str> = turns.map(|board| board.batter[0].as_str()).collect();
        let nine: BTreeSet<&str> = batters[..9].iter().copied().collect();
        assert_eq!(nine.len(), 9, "{batters:?}");
        assert!(
            batters.windows(10).all(|turns| turns[0] == turns[9]),
            "{batters:?}"
        );
    }
}

#[test]
fn a_batter_stays_until_the_turn_is_over() {
    for (before, after) in steps().filter(|(_, after)| after.play != "change") {
        let stays = !before.ends_a_turn() || after.play == "final";
        assert_eq!(
            before.batter == after.batter,
            stays,
            "{before:?}\n{after:?}"
        );
    }
}

#[test]
fn a_game_ends_only_by_the_rules() {
    for board in finals() {
        assert!(
            board.is_late() && board.sides[0].runs != board.sides[1].runs,
            "{board:?}"
        );
        let by_rule = match (board.bottom, board.home_leads()) {
            (false, true) => board.outs == 3, // the home side leads and does not bat
            (true, true) => true,             // the winning run has scored
            (true, false) => board.outs == 3, // the home side has batted
            (false, false) => false,
        };
        assert!(by_rule, "{board:?}");
    }
}

#[test]
fn the_home_side_never_bats_on_when_it_leads() {
    for (before, after) in steps().filter(|(_, after)| after.is_late() && after.bottom) {
        assert!(
            !before.home_leads() || after.play == "final",
            "{before:?}\n{after:?}"
        );
    }
}

#[test]
fn the_game_goes_on_only_while_it_is_not_decided() {
    for (before, after) in
        steps().filter(|(before, after)| before.is_late() && after.play == "change")
    {
        let [away, home] = before.runs();
        let open = if before.bottom {
            away == home
        } else {
            away >= home
        };
        assert!(open, "{before:?}\n{after:?}");
    }
}

/// The plays with which the home side won at bat.
fn walk_offs() -> Vec<(&'static Board, &'static Board, u64)> {
    turns()
        .filter(|(_, after, _)| after.is_walked_off())
        .collect()
}

#[test]
fn a_walk_off_counts_the_winning_run_and_no_more_unless_it_is_a_home_run() {
    let mut margins = BTreeSet::new();
    for (_, after, _) in walk_offs() {
        let [away, home] = after.runs();
        assert!(home == away + 1 || after.play == "home-run", "{after:?}");
        margins.insert(home - away);
    }
    assert!(margins.len() > 1, "no home run won by more than one");
}

/// A hit that wins the game counts only as far as the winning runner had to go: from third, a single.
#[test]
fn a_walk_off_hit_is_worth_what_the_winning_runner_needed() {
    let mut from_third = 0;
    for (before, after, scored) in walk_offs() {
        let Some(worth @ 1..4) = HITS
            .iter()
            .position(|hit| after.play == *hit)
            .map(|hit| hit + 1)
        else {
            continue;
        };
        let winner = before.runners()[scored as usize - 1];
        assert!(winner + worth <= 4, "{before:?}\n{after:?}");
        from_third += usize::from(winner == 3);
    }
    assert!(from_third > 0);
}

#[test]
fn some_games_are_walked_off_and_some_go_to_extra_innings() {
    let extra = finals().filter(|board| board.inning > 9).count();
    let skipped = finals().filter(|board| !board.bottom).count();
    assert!((10..100).contains(&extra), "{extra} with extra innings");
    assert!(
        (50..200).contains(&skipped),
        "{skipped} without the last half"
    );
    assert!(
        (10..100).contains(&walk_offs().len()),
        "{} walked off",
        walk_offs().len()
    );
}

#[test]
fn every_kind_of_play_occurs_and_no_other() {
    let seen: BTreeSet<&str> = boards().map(|board| board.play.as_str()).collect();
    let others = PITCHES.into_iter().chain(["start", "change", "final"]);
    assert_eq!(seen, OUTS.into_iter().chain(SAFE).chain(others).collect());
}

#[test]
fn every_play_has_commentary_in_both_languages() {
    let is_korean = |c: char| ('가'..='힣').contains(&c);
    let is_english = |c: char| c.is_ascii_alphabetic();
    for board in boards() {
        for [en, ko] in [
            &board.text,
            &board.batter,
            &board.pitcher,
            &board.sides[0].name,
            &board.sides[1].name,
        ] {
            assert!(en.contains(is_english) && !en.contains(is_korean), "{en}");
            assert!(ko.contains(is_korean) && !ko.contains(is_english), "{ko}");
            assert!(
                !en.contains(['{', '}']) && !ko.contains(['{', '}']),
                "a placeholder is left: {en} {ko}"
            );
        }
    }
}

#[test]
fn the_commentary_varies() {
    for kind in OUTS
        .iter()
        .chain(&SAFE)
        .chain(&PITCHES)
        .chain(&["start", "change", "final"])
    {
        let told = boards().filter(|board| board.play == *kind);
        let openings: BTreeSet<&str> = told.map(|board| &board.text[0][..4]).collect();
        assert!(openings.len() > 1, "{kind}: {openings:?}");
    }
}

#[test]
fn the_commentary_counts_the_outs() {
    for (_, after, _) in turns().filter(|(_, after, _)| after.is(&OUTS)) {
        let out = after.outs as usize - 1;
        assert!(
            after.text[0].ends_with(["One out.", "Two out.", "Three out."][out]),
            "{after:?}"
        );
        assert!(
            after.text[1].ends_with(["원아웃.", "투아웃.", "스리아웃."][out]),
            "{after:?}"
        );
    }
}

#[test]
fn the_commentary_says_the_count() {
    for board in boards().filter(|board| board.is(&PITCHES)) {
        let (balls, strikes) = (board.balls, board.strikes);
        let [en, ko] = match (balls, strikes) {
            (3, 2) => ["full count".to_string(), "풀카운트".to_string()],
            (0, _) => [format!("0-{strikes}"), format!("노볼 {strikes}스트라이크")],
            (_, 0) => [format!("{balls}-0"), format!("{balls}볼 노스트라이크")],
            _ => [
                format!("{balls}-{strikes}"),
                format!("{balls}볼 {strikes}스트라이크"),
            ],
        };
        let ball = ["none", "ball one.", "ball two.", "ball three."][balls as usize];
        let told = board.text[0].contains(&en) || board.text[0].to_lowercase().ends_with(ball);
        assert!(told && board.text[1].contains(&ko), "{board:?}");
    }
}

#[test]
fn the_commentary_on_a_home_run_says_its_runs() {
    for (_, after, scored) in turns().filter(|(_, after, _)| after.play == "home-run") {
        let [en, ko] = [
            ["solo home run", "솔로 홈런"],
            ["two-run homer", "투런 홈런"],
            ["three-run homer", "스리런 홈런"],
            ["grand slam", "만루 홈런"],
        ][scored as usize - 1];
        assert!(
            after.text[0].contains(en) && after.text[1].contains(ko),
            "{after:?}"
        );
    }
}

#[test]
fn the_commentary_says_the_score_when_it_has_changed() {
    for (_, after, _) in turns().filter(|(_, after, scored)| *scored > 0 && !after.is_walked_off())
    {
        let leader = &after.sides[usize::from(after.home_leads())];
        let [more, less] = [
            after.runs().into_iter().max().unwrap(),
            after.runs().into_iter().min().unwrap(),
        ];
        let expected = match more == less {
            true => [
                format!("All tied, {more}-{less}."),
                format!("{more} 대 {less} 동점."),
            ],
            false => [
                format!("{} lead {more}-{less}.", leader.name[0]),
                format!("{}, {more} 대 {less} 리드.", leader.name[1]),
            ],
        };
        assert!(
            after.text[0].contains(&expected[0]) && after.text[1].contains(&expected[1]),
            "{after:?}"
        );
    }
}

#[test]
fn the_commentary_names_the_half() {
    let ordinals = [
        "1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th", "11th", "12th",
        "13th",
    ];
    let mut named = 0;
    for board in boards().filter(|board| board.play == "change" && board.inning <= ordinals.len()) {
        let (half, korean) = if board.bottom {
            ("bottom", "말")
        } else {
            ("top", "초")
        };
        let name = format!("{half} of the {}", ordinals[board.inning - 1]);
        if board.text[0].contains(" of the ") {
            assert!(board.text[0].contains(&name), "{board:?}");
            assert!(
                board.text[1].contains(&format!("{}회{korean}", board.inning)),
                "{board:?}"
            );
            named += 1;
        }
    }
    assert!(named > 1000);
}

#[test]
fn the_commentary_names_extra_innings_and_walk_offs() {
    for board in boards() {
        let says = |word| board.text[0].to_lowercase().contains(word);
        let begins_extra = board.play == "change" && board.inning == 10 && !board.bottom;
        assert_eq!(says("nine"), begins_extra, "{board:?}");
        if board.play == "final" {
            assert_eq!(says("walk"), board.is_walked_off(), "{board:?}");
        }
    }
}

#[test]
fn the_final_line_has_the_score() {
    for board in finals() {
        let winner = &board.sides[usize::from(board.home_leads())];
        let loser = &board.sides[usize::from(!board.home_leads())];
        let scores = [
            format!("{}-{}", winner.runs, loser.runs),
            format!("{} 대 {}", winner.runs, loser.runs),
        ];
        for (language, score) in scores.iter().enumerate() {
            assert!(board.text[language].contains(score), "{board:?}");
            assert!(
                board.text[language].contains(&winner.name[language]),
                "{board:?}"
            );
        }
    }
}

/// How many of these plays there are.
fn tally(plays: &[&str]) -> f64 {
    steps().filter(|(_, after)| after.is(plays)).count() as f64
}

#[test]
fn scores_are_those_of_a_ball_game() {
    let games = GAMES.len() as f64;
    let [away, home] =
        [0, 1].map(|side| finals().map(|board| board.runs()[side]).sum::<u64>() as f64 / games);
    assert!(
        (3.5..6.5).contains(&away) && (3.5..6.5).contains(&home),
        "{away} {home} runs"
    );
    let turns = tally(&OUTS) + tally(&SAFE);
    let bands = [
        (
            "pitches a turn",
            (tally(&PITCHES) + turns) / turns,
            3.4..4.4,
        ),
        (
            "strikeouts a turn",
            tally(&["strikeout"]) / turns,
            0.15..0.28,
        ),
        ("walks a turn", tally(&["walk"]) / turns, 0.06..0.13),
        ("hits a turn", tally(&HITS) / turns, 0.18..0.28),
        ("home runs a game", tally(&["home-run"]) / games, 1.0..3.5),
        (
            "double plays a game",
            tally(&["double-play"]) / games,
            1.0..3.0,
        ),
        ("errors a game", tally(&["error"]) / games, 0.5..2.0),
    ];
    for (what, value, band) in bands {
        assert!(band.contains(&value), "{value} {what}");
    }
}

#[test]
fn the_next_game_is_between_other_teams() {
    for seed in 0..5 {
        let mut season = Season::new(seed);
        let boards: Vec<Board> = (0..2000)
            .map(|_| Board::read(&season.next_play().data))
            .collect();
        let games: Vec<&[Board]> = boards.chunk_by(|_, next| next.play != "start").collect();
        assert!(games.len() > 3, "{} games", games.len());
        for (index, game) in games.iter().enumerate() {
            assert!(game.iter().all(|board| board.game == index as u64 + 1));
        }
        for pair in games.windows(2) {
            let (last, first) = (pair[0].last().unwrap(), &pair[1][0]);
            assert_eq!((last.play.as_str(), first.total_runs()), ("final", 0));
            assert!(
                last.sides
                    .iter()
                    .all(|side| first.sides.iter().all(|other| other.name != side.name))
            );
        }
    }
}

/// A season's first plays, with the pause after each.
fn season(seed: u64, plays: usize) -> Vec<(String, Duration)> {
    let mut season = Season::new(seed);
    let plays = (0..plays).map(|_| season.next_play());
    plays
        .map(|play| (play.data.to_string(), play.pause))
        .collect()
}

#[test]
fn the_same_seed_is_the_same_season() {
    assert_eq!(season(7, 1500), season(7, 1500));
}

#[test]
fn another_seed_is_another_season() {
    let seasons: BTreeSet<_> = (0..20).map(|seed| season(seed, 100)).collect();
    assert_eq!(seasons.len(), 20);
    let pauses = |seed| {
        season(seed, 100)
            .into_iter()
            .map(|(_, pause)| pause)
            .collect::<Vec<_>>()
    };
    assert_ne!(pauses(1), pauses(2));
}

#[test]
fn a_play_comes_every_second_or_two() {
    let mut rests = 0;
    for (data, pause) in season(3, 5000) {
        let rest = u64::from(data.contains(r#""final":true"#)) * 2;
        let (least, most) = (Duration::from_secs(1 + rest), Duration::from_secs(2 + rest));
        assert!((least..=most).contains(&pause), "{pause:?} after {data}");
        rests += rest;
    }
    assert!(rests > 0);
}
