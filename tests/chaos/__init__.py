"""What may go wrong while people write, and the test that shows what comes of it. `test_index.py` holds the list to the
tests; `make chaos` runs what is marked `long` in its long form.

Killed:
- one process on SQLite at any moment, with redeliveries:
  tests/chaos/test_kill.py::test_killed_at_any_point_every_message_is_answered_once_or_labelled
- the same on a Supabase project: tests/chaos/test_kill.py::test_the_same_holds_for_a_supabase_project
- workers on Postgres: tests/chaos/test_workers.py::test_killed_workers_lose_nothing_and_answer_nothing_twice
- the gateway, a worker or the web process:
  tests/chaos/test_processes.py::test_any_process_may_die_and_everybody_is_answered_once,
  tests/chaos/test_processes.py::test_web_gateway_and_workers_share_one_database
- the whole bot between its platforms: tests/chaos/test_run.py::test_fifty_in_flight_survive_a_kill,
  tests/chaos/test_platforms.py::test_discord_answers_after_a_kill_what_it_had_heard
- at each named step, in memory, on SQLite and on Postgres:
  tests/chaos/test_steps.py::test_a_crash_at_a_step_leaves_an_allowed_state
- in the middle of an incognito answer, which nobody can have afterwards:
  tests/privacy/test_postgres.py::test_a_kill_in_the_middle_of_an_incognito_answer_leaves_nothing_on_the_server
- a worker that holds a conversation: it waits for 15 s at most:
  tests/unit/test_postgres_queue.py::test_a_killed_worker_holds_a_conversation_up_for_fifteen_seconds_at_most

The database:
- Postgres is restarted under load:
  tests/chaos/test_restarts.py::test_a_server_that_restarts_under_load_loses_nothing_and_nobody_is_answered_twice,
  tests/chaos/test_restarts.py::test_gateway_and_workers_are_processes_that_outlive_a_restart
- a connection is cut in its transaction:
  tests/chaos/test_trouble.py::test_cut_connections_under_load_lose_nothing_and_answer_nothing_twice,
  tests/unit/test_postgres_queue.py::test_workers_go_on_when_the_server_cuts_their_lines
- the disk fills up:
  tests/chaos/test_full_disk.py::test_a_disk_that_fills_up_while_turns_run_loses_nothing_and_answers_nothing_twice,
  tests/e2e/console/test_chat.py::test_a_disk_that_fills_up_loses_no_accepted_message_and_the_talk_goes_on,
  tests/contracts/store/test_sqlite.py::test_a_full_disk_loses_nothing_that_was_accepted
- a schema of another version:
  tests/contracts/store/test_upgrades.py::test_a_file_of_the_first_version_keeps_what_is_in_it,
  tests/contracts/store/test_upgrades.py::test_a_server_of_an_older_version_is_refused_then_keeps_what_is_in_it,
  tests/contracts/store/test_sqlite.py::test_a_newer_database_is_refused_and_left_alone
- an upgrade is interrupted:
  tests/contracts/store/test_sqlite.py::test_an_interrupted_upgrade_changes_nothing_and_can_be_repeated,
  tests/contracts/store/test_postgres.py::test_an_interrupted_upgrade_is_resumed

The clock:
- it steps back: tests/chaos/test_trouble.py::test_a_clock_that_steps_back_changes_no_order_and_loses_nothing

The model:
- it takes a minute:
  tests/chaos/test_bad_models.py::test_a_model_that_takes_a_minute_answers_once_and_holds_up_nobody_else
- it hangs: tests/chaos/test_trouble.py::test_a_model_that_hangs_holds_up_nobody_else_and_can_be_stopped
- it streams garbage:
  tests/chaos/test_bad_models.py::test_a_model_that_streams_garbage_is_told_of_in_a_sentence_and_the_talk_goes_on
- it is away: tests/engine/test_talk.py::test_a_model_that_is_away_loses_no_message_and_retry_answers_it

What stands around:
- Qdrant is away for a minute and comes back:
  tests/unit/memory/test_qdrant_server.py::test_people_are_answered_while_it_is_away_and_what_they_told_meanwhile_is_found_afterwards
- Redis is away: tests/contracts/http/test_redis_limits.py::test_a_redis_that_dies_and_comes_back_refuses_nobody,
  tests/contracts/ephemeral/test_redis_refusals.py::test_a_redis_that_stays_away_is_asked_again_only_now_and_then
- Telegram says 429 for 300 s:
  tests/chaos/test_trouble.py::test_a_platform_that_says_no_for_five_minutes_gets_the_reply_once_and_unlabelled
- Slack closes a stream midway: tests/e2e/slack/test_sending.py::test_a_stream_that_slack_ended_becomes_edits,
  tests/e2e/slack/test_sending.py::test_a_stream_that_slack_ended_just_before_its_end
"""
