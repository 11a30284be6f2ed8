//! What holds between two directories holds over a pipe and over ssh.

use super::{HERE, Way, set_way, sshd};

/// The same facts by two other ways, each a test of its name: a function could not name them.
macro_rules! likewise {
    ($($module:ident :: $name:ident,)*) => {
        mod over_a_pipe {
            $(#[test] fn $name() {
                super::set_way(super::Way::Pipe(super::HERE.to_owned()));
                crate::$module::$name();
            })*
        }
        mod over_ssh {
            $(#[test] fn $name() {
                let Some(sshd) = super::sshd::start(stringify!($name)) else { return };
                super::set_way(super::Way::Sshd(sshd));
                crate::$module::$name();
            })*
        }
    };
}

likewise! {
    union::both_copies_hold_what_cp_both_ways_gives,
    union::push_and_pull_go_one_way,
    union::a_dry_run_tells_the_same_and_changes_nothing,
    union::what_is_damaged_stays_and_the_rest_travels,
    union::a_file_that_was_cut_off_is_mended_from_the_copy_that_has_it_whole,
    union::a_file_that_is_no_record_of_its_place_is_not_taken,
    union::a_copy_that_is_not_understood_is_left_alone,
    union::a_store_is_not_synced_with_itself,
    union::an_incomplete_version_travels_as_far_as_it_is_and_is_told,
    union::copies_that_write_at_the_same_time_lose_nothing,
    part::one_version_travels_with_all_it_needs_and_nothing_else,
    part::only_what_is_lacking_is_copied_out_of_a_pack_of_which_little_is_needed,
    part::little_of_a_large_pack_goes_into_a_new_one_that_a_second_try_makes_again,
    part::aliases_edits_and_runs_go_with_their_versions,
    part::a_deletion_travels_with_its_version_and_all_versions_can_be_named,
    part::edits_travel_with_their_metadata_and_merge,
    condemned::what_was_removed_does_not_come_back_from_a_copy_that_learns_of_it,
    condemned::a_removed_pack_that_another_copy_has_in_use_comes_back_with_the_version,
    condemned::a_one_way_copy_from_one_that_knows_of_no_deletion_brings_all_back,
    condemned::a_part_that_lies_in_a_removed_pack_comes_in_a_new_one,
    killed::a_push_that_was_killed_leaves_whole_versions_and_goes_on,
    killed::a_clone_that_was_killed_leaves_whole_versions_and_a_pull_goes_on,
    killed::a_pull_that_was_killed_leaves_whole_versions_and_goes_on,
}
