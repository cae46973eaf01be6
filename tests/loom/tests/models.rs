//! Every model, through every interleaving with at most a few switches of a running thread.

use loom_models as models;

/// Switches of a thread that could run on; more of them find little and cost much.
const PREEMPTIONS: usize = 3;

fn examine(model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

#[test]
fn no_count_is_lost() {
    examine(models::no_count_is_lost);
}

#[test]
fn every_change_of_a_packed_word_is_made_or_said_to_be_lost() {
    examine(models::every_change_of_a_packed_word_is_made_or_said_to_be_lost);
}

#[test]
fn a_current_snapshot_has_every_counted_change() {
    examine(models::a_current_snapshot_has_every_counted_change);
}

#[test]
fn every_line_wakes_the_writer() {
    examine(models::every_line_wakes_the_writer);
}

#[test]
fn no_line_is_forgotten_at_the_end() {
    examine(models::no_line_is_forgotten_at_the_end);
}

#[test]
fn every_order_wakes_the_writer() {
    examine(models::every_order_wakes_the_writer);
}
