//! Which tests hold which row; every row has some, or a reason why it has none.

use crate::support::rows::tests;

/// Names of tests, and what is to be said where the row is not, or not wholly, this server's.
type Row = (u32, &'static [&'static str], &'static str);

const METADATA: &str = "services neither see nor send metadata of their own yet";
const GZIP: &str = "identity is the only encoding yet";
const CLIENT: &str = "for clients";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (1, &["row_01_other_methods_are_405"], ""),
    (2, &["row_02_other_content_types_are_415"], ""),
    (3, &["row_03_grpc_content_types_are_accepted"], ""),
    (4, &["row_04_unknown_subtypes_are_415"], ""),
    (5, &["row_05_other_te_is_reset"], ""),
    (6, &["row_06_missing_te_is_accepted"], ""),
    (7, &["row_07_connection_headers_are_reset"], ""),
    (8, &["row_08_malformed_pseudo_headers_are_reset",
          "row_08_impossible_names_end_the_connection"], ""),
    (9, &["row_09_relative_paths_are_reset"], ""),
    (10, &["row_10_odd_paths_are_12", "row_10_a_fragment_is_not_part_of_the_path"], ""),
    (11, &["row_11_unknown_services_are_12"], ""),
    (12, &["row_12_unknown_methods_are_12"], ""),
    (13, &["row_13_paths_are_case_sensitive"], ""),
    (14, &["row_14_two_hosts_are_400"], ""),
    (15, &["row_15_one_host_is_accepted"], ""),
    (16, &["row_16_authorities_of_uds_clients_are_served",
           "row_16_authorities_of_proxies_and_lists_of_addresses_are_served",
           "row_16_an_authority_beyond_repair_is_reset_and_counted"], ""),
    (17, &["row_17_a_header_list_over_16_kib_is_resource_exhausted",
           "row_17_a_header_list_over_32_kib_is_431",
           "row_17_a_header_list_over_128_kib_ends_the_connection"], ""),
    (18, &["row_18_expect_and_connect"], ""),
    (19, &["row_19_streams_over_the_limit_are_refused"], ""),
    (20, &["row_20_an_end_before_the_preface_is_silent"], ""),
    (21, &["row_21_timeouts_are_accepted", "row_21_the_longest_timeout_does_not_overflow"], ""),
    (22, &["row_22_malformed_timeouts_are_400"], ""),
    (23, &["row_23_a_timeout_of_zero_is_4"], ""),
    (24, &["row_24_of_two_timeouts_the_shorter_counts"], ""),
    (25, &["row_25_a_deadline_ends_a_watch_with_trailers",
           "row_25_deadlines_fire_in_their_own_order",
           "row_25_a_deadline_ends_a_call_whose_body_never_comes",
           "row_25_a_deadline_behind_a_closed_window",
           "row_25_a_deadline_ends_a_call_wherever_it_waits",
           "row_25_a_deadline_in_the_middle_of_a_message_resets_the_stream",
           "row_25_a_deadline_before_a_stalled_message_is_told_in_trailers"], ""),
    (26, &["row_26_binary_metadata_is_accepted"], ""),
    (27, &["row_27_malformed_binary_metadata_is_400"], ""),
    (28, &["binary_vectors"], METADATA),
    (29, &["row_29_opaque_metadata_is_not_forwarded", "valid_names_and_values"], METADATA),
    (30, &["reserved_names"], METADATA),
    (31, &[], METADATA),
    (32, &["row_32_unknown_grpc_headers_are_ignored"], ""),
    (33, &["row_33_an_envelope_may_be_cut_anywhere"], ""),
    (34, &["row_34_an_empty_message_is_the_default_one"], ""),
    (35, &["row_35_a_message_over_the_limit_is_8_before_it_is_read",
           "row_35_a_message_of_the_limit_is_read",
           "row_35_a_refused_body_keeps_no_window"], ""),
    (36, &["row_36_the_largest_length_is_8"], ""),
    (37, &["row_37_a_truncated_message_is_13"], ""),
    (38, &["row_38_the_compressed_flag_without_an_encoding_is_13"], ""),
    (39, &["row_39_other_flags_are_13"], ""),
    (40, &["row_40_unknown_encodings_are_12_and_name_the_known_one"], ""),
    (41, &["row_41_identity_is_accepted", "row_41_what_is_not_compressed_is_read_under_gzip"], ""),
    (42, &[], GZIP),
    (43, &[], GZIP),
    (44, &["row_44_what_is_not_protobuf_is_13"], ""),
    (45, &["row_45_no_message_is_12"], ""),
    (46, &["row_46_two_messages_are_12"], ""),
    (47, &["row_47_bytes_behind_the_message_are_13"], ""),
    (48, &["row_48_client_trailers_are_ignored",
           "row_48_client_trailers_that_end_nothing_are_reset"], ""),
    (49, &["row_49_padding_is_transparent"], ""),
    (50, &["row_50_a_wrong_content_length_is_reset"], ""),
    (51, &["row_51_many_messages_in_one_frame"], "no method takes more than one message yet"),
    (52, &["row_52_a_unary_answer_is_headers_data_headers"], ""),
    (53, &["row_53_the_status_is_in_the_trailers"], ""),
    (54, &["row_54_an_error_without_messages_is_one_frame"], ""),
    (55, &["row_55_an_error_after_messages_is_trailers"], ""),
    (56, &["row_56_messages_are_escaped_and_capped"], ""),
    (57, &["an_error_before_the_first_reply_is_trailers_only_and_after_it_trailers"], METADATA),
    (58, &["row_58_grpc_outcomes_are_http_200"], ""),
    (59, &["row_59_a_panic_costs_one_call"], ""),
    (60, &["row_60_a_watch_after_goaway_gets_its_message_and_14"], ""),
    (61, &["row_61_nothing_is_written_after_a_cancel"], ""),
    (62, &["row_56_messages_are_escaped_and_capped"],
        "h2 does not tell the client's limit; trailers are small because messages are capped"),
    (63, &[], METADATA),
    (64, &["row_64_a_cancelled_watch_frees_its_slot",
           "row_64_a_call_may_be_cancelled_at_any_point",
           "row_64_a_call_may_be_cancelled_before_it_is_seen",
           "row_64_the_end_of_a_connection_frees_its_slots"], ""),
    (65, &["row_19_streams_over_the_limit_are_refused", "h2_reasons"], CLIENT),
    (66, &["row_66_calls_finish_after_goaway"], ""),
    (67, &["row_67_a_silent_peer_is_asked_whether_it_is_there"], ""),
    (68, &["row_68_a_client_that_answers_every_reply_is_never_cut",
           "row_68_a_client_that_answers_every_status_is_never_cut",
           "row_68_a_client_that_answers_every_message_of_a_stream_is_never_cut",
           "a_client_that_makes_room_for_each_4_kib_it_reads_is_never_cut",
           "a_client_that_makes_room_with_each_message_it_sends_is_never_cut",
           "floods_end_their_connection_and_no_other"], ""),
    (69, &["row_69_an_old_connection_is_told_to_go_and_its_watch_is_ended",
           "row_69_a_connection_without_calls_is_told_to_go_after_5_minutes"], ""),
    (70, &["row_70_ping_and_settings_are_acknowledged"], ""),
    (71, &["row_71_another_protocol_is_hung_up_on"], ""),
    (72, &[], CLIENT),
    (73, &[], "reflection is not there yet"),
    (74, &["row_74_check_of_a_known_service"], ""),
    (75, &["row_75_check_of_an_unknown_service_is_5"], ""),
    (76, &["row_76_the_empty_name_is_the_whole_server"], ""),
    (77, &["row_77_watch_sends_the_status_now_and_every_change",
           "row_77_the_same_status_is_not_sent_twice",
           "row_77_changes_are_coalesced_to_the_latest",
           "row_77_no_change_is_lost_at_the_start",
           "row_77_every_watcher_on_every_connection_is_told"], ""),
    (78, &["row_78_watch_of_an_unknown_service_waits_for_it",
           "row_78_watching_registers_nothing"], ""),
    (79, &["row_79_watch_of_a_cleared_service_stays",
           "row_79_a_handle_revives_a_cleared_service"], ""),
    (80, &["row_80_list_is_sorted_and_has_the_empty_name",
           "row_80_list_of_100_is_answered_and_of_101_is_8",
           "row_80_list_skips_unknown_fields"], ""),
    (81, &["row_81_a_registry_shut_down_shows_not_serving",
           "row_81_a_server_shut_down_says_so_in_order"], ""),
    (82, &["row_82_watch_is_never_unimplemented"], ""),
    (83, &["row_83_a_probe_of_one_check"], ""),
    (84, &["row_84_a_name_over_200_bytes_is_8", "row_84_a_request_over_4_kib_is_8"], ""),
];

#[test]
fn every_row_has_tests_or_a_reason() {
    let numbers: Vec<_> = ROWS.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=84).collect::<Vec<_>>());
    for (number, tests, reason) in ROWS {
        assert!(!tests.is_empty() || !reason.is_empty(), "row {number}");
    }
}

#[test]
fn every_named_test_exists() {
    let there = tests();
    for name in ROWS.iter().flat_map(|(_, names, _)| *names) {
        assert!(there.iter().any(|test| test == name), "{name}");
    }
}

#[test]
fn every_test_of_a_row_is_named() {
    for test in tests() {
        let Some(rest) = test.strip_prefix("row_") else {
            continue;
        };
        let number: u32 = rest[..2].parse().expect("two digits");
        let (_, names, _) = ROWS.iter().find(|(row, ..)| *row == number).expect("a row");
        assert!(names.contains(&test.as_str()), "{test}");
    }
}
