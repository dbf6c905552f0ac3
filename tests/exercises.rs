//! The exercises: each test types one page from top to bottom, in a clone, as a reader would. The start fails
//! its check; each wrong answer fails as its patch says; the official answer passes, and so do all the other
//! tests. At the end the reader is back on `main`, and their work is kept.

#[allow(dead_code)] // this file uses only a part of each
#[path = "docs/console.rs"]
mod console;
#[path = "exercises/desk.rs"]
mod desk;
#[path = "exercises/exercise.rs"]
mod exercise;
#[allow(dead_code)]
#[path = "docs/markdown.rs"]
mod markdown;
mod support;

use exercise::{Exercise, prove};

#[test]
fn exercise_01() {
    prove(1);
}

#[test]
fn exercise_02() {
    prove(2);
}

#[test]
fn exercise_03() {
    prove(3);
}

#[test]
fn exercise_04() {
    prove(4);
}

#[test]
fn exercise_05() {
    prove(5);
}

#[test]
fn exercise_06() {
    prove(6);
}

#[test]
fn exercise_07() {
    prove(7);
}

#[test]
fn exercise_08() {
    prove(8);
}

#[test]
fn exercise_09() {
    prove(9);
}

#[test]
fn exercise_10() {
    prove(10);
}

#[test]
fn exercise_11() {
    prove(11);
}

#[test]
fn exercise_12() {
    prove(12);
}

#[test]
fn exercise_13() {
    prove(13);
}

#[test]
fn every_exercise_is_proven_and_has_two_wrong_answers_or_more() {
    let tests = include_str!("exercises.rs");
    let exercises = Exercise::all();
    assert!(!exercises.is_empty());
    for (exercise, expected) in exercises.iter().zip(1..) {
        let Exercise { number, folder, .. } = exercise;
        assert_eq!(*number, expected, "{folder}: no number is left out");
        assert!(
            tests.contains(&format!("prove({number});")),
            "{folder} is not proven"
        );
        assert!(exercise.wrong_answers().len() > 1, "{folder}");
    }
}

/// Builds nothing, so a patch that no longer applies is noticed within seconds.
#[test]
fn every_patch_fits() {
    if !support::has("git", "apt-get install git") {
        return;
    }
    let desk = desk::Desk::new("patches");
    for exercise in Exercise::all() {
        desk.reset();
        desk.git(&["apply", &exercise.file("start.patch")]);
        desk.git(&["add", "--all"]);
        desk.git(&["commit", "--quiet", "-m", "start"]);
        for answer in exercise.answers() {
            desk.git(&["apply", "--check", &answer]);
        }
    }
}
