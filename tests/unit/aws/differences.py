"""
Where a lane does not do what AWS does. Each case fails there, and must: a line that is out of date is an error.

docs/stores.md tells the same in a table, with what was measured.
"""

_NO_STATEMENTS = "reads no UPDATE with two SETs or with REMOVE, and looks at no condition but the keys'"
_NO_STATEMENTS_IN = (
    # test_lanes
    "test_a_failed_condition_of_a_statement_comes_with_the_item",
    "test_a_statement_about_an_item_that_is_not_there_creates_none",
    # test_store_conditions
    "test_a_step_is_refused_where_one_attribute_that_it_rests_on_moved_on",
    "test_what_was_absent_must_still_be_absent",
    "test_an_outcome_gives_back_no_mailbox_that_another_hire_holds",
    # test_store_races
    "test_of_sixteen_claims_at_once_one_is_won",
    "test_of_sixteen_batches_at_once_each_row_is_in_one",
    "test_a_mailbox_that_is_given_back_goes_to_one_of_those_who_wait",
    "test_a_cancel_and_a_claim_never_both_win",
    "test_a_mark_and_an_outcome_both_land",
    # test_store_sizes
    "test_more_steps_than_a_request_takes_are_judged_in_their_order",
    # test_stores
    "test_a_step_of_a_plan_whose_row_has_moved_on_stops_the_plan",
    "test_beside_a_sender_a_plan_writes_the_wanted_half_and_the_outcome_still_lands",
    "test_a_claim_is_won_once",
    "test_our_own_write_whose_answer_was_lost_is_recognised",
    "test_many_steps_are_judged_one_by_one",
    "test_a_step_on_a_row_that_is_gone_is_refused_and_nothing_is_created",
    "test_a_rejection_gives_the_mailbox_back_in_the_same_write",
    "test_a_row_whose_guard_is_gone_can_still_end",
    "test_a_rejection_that_lost_its_condition_keeps_the_mailbox",
    "test_a_row_is_in_the_due_index_exactly_while_it_is_live",
    "test_a_deferred_row_moves_in_the_due_index",
    "test_a_half_success_and_a_step_back_are_stored_with_what_is_open",
)

_NO_TOKENS = "does again what a transaction asks for, though it has the token of the first"
_NO_TOKENS_IN = ("test_a_transaction_that_is_sent_again_under_its_token_is_written_once",)

DIFFERENCES: dict[str, dict[str, str]] = {
    "ministack": {"test_two_steps_of_one_row_are_no_batch": "takes two statements on one item in a batch"},
    "dynamodb_local": {
        "test_a_failed_condition_of_a_statement_comes_with_the_item": "says that a condition failed, without the item",
    },
    "moto": dict.fromkeys(_NO_STATEMENTS_IN, _NO_STATEMENTS)
    | dict.fromkeys(_NO_TOKENS_IN, _NO_TOKENS)
    | {
        "test_twenty_six_statements_are_refused": "takes more than 25 statements in a batch",
        "test_an_attribute_of_an_index_has_the_type_of_the_index": "takes any type for a key of an index",
    },
}
"""What a lane does instead, by lane and test."""
