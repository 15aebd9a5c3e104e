//! Which tests hold which attack; every one has some, here or in other tests, or a reason why it has none.

use crate::support::rows::tests;

/// What the attack is, names of tests, and what is to be said where it is not, or not wholly, shown.
type Row = (u32, &'static str, &'static [&'static str], &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (1, "rapid reset, before the stream is seen",
        &["a01_streams_reset_at_once_end_their_connection",
          "more_than_256_streams_reset_before_they_were_seen_end_the_connection"], ""),
    (2, "rapid reset, after the stream is seen",
        &["a02_streams_reset_once_accepted_end_their_connection",
          "streams_reset_after_they_were_seen_end_the_connection"], ""),
    (3, "resets that the server is made to send (MadeYouReset)",
        &["a03_streams_that_the_server_is_made_to_reset_end_their_connection",
          "the_1025th_stream_that_the_server_has_to_reset_ends_the_connection"], ""),
    (4, "CONTINUATION flood",
        &["a04_the_sixth_continuation_that_ends_nothing_ends_the_connection",
          "a_header_block_in_too_many_parts_ends_the_connection"], ""),
    (5, "a header block that is never complete",
        &["an_unfinished_header_block_ends_the_connection_after_10_s",
          "a17_connections_that_do_not_begin_are_closed_after_10_s"], ""),
    (6, "HPACK bomb",
        &["a06_lists_that_unfold_from_single_bytes_are_not_kept",
          "a06_resets_of_a_finished_stream_let_no_more_lists_in",
          "row_17_a_header_list_over_16_kib_is_resource_exhausted",
          "row_17_a_header_list_over_32_kib_is_431",
          "row_17_a_header_list_over_128_kib_ends_the_connection"], ""),
    (7, "more headers than a map holds", &["a07_more_fields_than_a_header_map_holds_are_no_panic"], ""),
    (8, "PING flood",
        &["a08_pings", "a08_pings_whose_answers_are_not_read",
          "a08_whoever_floods_waits_at_the_door_longer_each_time",
          "a08_a_gateway_and_loopback_do_not_wait_for_the_flood_of_one_client",
          "a08_silent_connections_do_not_hide_the_clients_of_a_gateway",
          "floods_end_their_connection_and_no_other"], ""),
    (9, "SETTINGS flood", &["a09_settings", "floods_end_their_connection_and_no_other"], ""),
    (10, "PRIORITY flood", &["a10_priorities", "floods_end_their_connection_and_no_other"], ""),
    (11, "frames of no use",
        &["a11_frames_of_no_use", "a11_empty_data", "empty_frames_end_the_connection"], ""),
    (12, "empty header fields", &["a12_fields_without_a_value_are_counted"], ""),
    (13, "resets that are not read", &["a13_resets_that_are_not_read"], ""),
    (14, "watches that are not read",
        &["a14_watches_without_a_window_are_reset_after_30_s",
          "a14_a_peer_that_reads_nothing_is_closed_after_20_s",
          "a14_no_last_status_is_lost_and_none_is_told_twice",
          "a14_one_peer_does_not_take_all_watches",
          "a_reply_without_a_window_is_ended_with_8_after_30_s"], ""),
    (15, "a socket that is not read",
        &["a_peer_that_does_not_read_its_socket_is_closed_after_20_s",
          "row_67_a_silent_peer_is_asked_whether_it_is_there"],
        "TCP_USER_TIMEOUT needs a network that loses packets"),
    (16, "a body that trickles",
        &["a16_requests_that_trickle_are_answered_4_after_10_s",
          "a_request_that_trickles_is_answered_4_after_10_s"], ""),
    (17, "connections that do not begin",
        &["a17_connections_that_do_not_begin_are_closed_after_10_s",
          "a17_silent_sockets_make_room_for_whoever_comes",
          "a17_silent_sockets_hold_no_state_of_tls",
          "a_peer_that_does_not_finish_its_preface_is_closed_after_10_s",
          "a_client_that_stalls_keeps_nobody_waiting_and_its_time_runs_out"], ""),
    (18, "connections without end",
        &["a18_connections_over_the_limit_are_closed_at_once",
          "a18_sockets_over_the_limit_make_room",
          "a18_a_listener_for_probes_is_not_filled_by_another",
          "a18_a_crowd_that_connects_at_once_does_not_keep_a_new_client_waiting",
          "a18_connections_that_watch_make_room_for_whoever_comes",
          "a18_idle_connections_of_two_addresses_make_room_for_whoever_comes",
          "a18_who_makes_room_loses_no_call",
          "a18_a_gateway_with_a_thousand_users_keeps_all_its_connections",
          "row_69_a_connection_without_calls_is_told_to_go_after_5_minutes"], ""),
    (19, "WINDOW_UPDATE flood", &["a19_window_updates", "floods_end_their_connection_and_no_other"], ""),
    (20, "frames that the state does not allow",
        &["a20_what_no_state_allows_ends_the_connection", "sends_what_h2_refuses"], ""),
    (21, "a message declared and not sent",
        &["a21_a_message_declared_and_not_sent_takes_no_memory",
          "row_36_the_largest_length_is_8"], ""),
    (22, "a message that inflates",
        &["a22_compressed_messages_are_refused_before_they_are_read",
          "a_compressed_request_may_inflate_to_the_limit_and_no_further",
          "row_38_the_compressed_flag_without_an_encoding_is_13"], ""),
    (23, "no descriptors left", &["a23_a_server_out_of_descriptors_serves_on"], ""),
    (24, "paths that another layer reads otherwise",
        &["row_10_odd_paths_are_12", "row_13_paths_are_case_sensitive"], ""),
    (25, "a drain that is held up",
        &["the_deadline_cuts_a_peer_that_acknowledges_nothing", "the_deadline_cuts_what_is_left",
          "the_deadline_cuts_a_peer_that_does_not_read", "the_deadline_cuts_a_handshake"], ""),
    (26, "a service that panics", &["row_59_a_panic_costs_one_call"], ""),
    (27, "TLS: renegotiation, key updates, long chains",
        &["a_chain_of_a_thousand_certificates_is_refused",
          "chains_within_the_limits_are_verified_and_others_refused_unverified",
          "key_updates_that_bring_nothing_end_the_connection", "records_of_one_byte_end_the_connection",
          "key_updates_that_bring_nothing_end_a_connection_of_http_1",
          "whoever_floods_with_key_updates_waits_at_the_door_longer_each_time",
          "all_connections_whose_records_are_in_vain_read_16_of_them_each_time_that_others_have_run",
          "both_versions_are_spoken_and_no_session_is_resumed"],
        "renegotiation is not in rustls; tests/lockfile.rs holds its version"),
    (28, "work that takes long",
        &["a28_others_have_a_turn_for_each_slice_of_a_message_that_decompresses_slowly",
          "a28_a_message_waits_for_one_message_of_each_other_connection_not_for_all",
          "a28_a_call_ends_while_its_message_is_decompressed",
          "a28_a_client_that_closes_its_side_behind_a_compressed_message_is_answered",
          "a28_calls_that_are_always_ready_do_not_keep_a_turn_going",
          "handshakes_take_a_step_each_time_that_others_have_run"], ""),
    (29, "messages that are half sent",
        &["half_sent_messages_take_no_more_than_the_budget",
          "half_sent_messages_on_every_stream_take_the_budget_and_what_came_before_the_calls",
          "a_waiting_call_takes_no_more_than_the_budget_counts",
          "an_upload_gets_the_room_of_messages_that_are_stuck",
          "no_requests_wait_for_one_another_for_ever"], ""),
    (30, "tiny DATA frames",
        &["small_frames_that_nobody_reads_hold_no_read_buffers",
          "of_frames_of_one_byte_a_turn_reads_few"], ""),
    (31, "replies that are not taken, or a byte at a time",
        &["a31_answers_of_reflection_that_nobody_takes_stay_within_the_budget",
          "replies_that_nobody_takes_stay_within_the_budget",
          "one_connection_holds_a_quarter_of_the_budget",
          "replies_taken_a_byte_at_a_time_are_ended_after_30_s",
          "lists_taken_a_byte_at_a_time_are_ended_after_30_s",
          "a_socket_that_takes_a_byte_at_a_time_is_closed_after_20_s"], ""),
    (32, "much at once, and then nothing: memory that a connection keeps",
        &["a_quiet_connection_gives_back_what_its_calls_needed"], "h2 keeps its list of streams until the connection ends"),
    (33, "a first flight that uses up the task's budget, before a timer",
        &["a_deadline_behind_a_first_flight_that_uses_up_the_tasks_budget_fires"], ""),
];

#[test]
fn every_attack_has_tests_or_a_reason() {
    let numbers: Vec<_> = ROWS.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=33).collect::<Vec<_>>());
    for (number, what, tests, reason) in ROWS {
        assert!(!tests.is_empty() || !reason.is_empty(), "{number}: {what}");
    }
}

#[test]
fn every_named_test_exists() {
    let there = tests();
    for name in ROWS.iter().flat_map(|(_, _, names, _)| *names) {
        assert!(there.iter().any(|test| test == name), "{name}");
    }
}

#[test]
fn every_test_of_an_attack_is_named() {
    for test in tests() {
        let Some((Ok(number), _)) = test
            .strip_prefix('a')
            .and_then(|rest| rest.split_once('_'))
            .map(|(number, rest)| (number.parse::<u32>(), rest))
        else {
            continue;
        };
        let (_, _, names, _) = ROWS.iter().find(|(row, ..)| *row == number).expect("a row");
        assert!(names.contains(&test.as_str()), "{test}");
    }
}
