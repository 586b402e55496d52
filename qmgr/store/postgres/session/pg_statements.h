// Every SQL statement of the queue on PostgreSQL, in one place. Each one works on sets: what it is
// to change comes as arrays, one row of unnest() for each value. A test asks the server for the
// plan of each and refuses those that read a big table from end to end.
//
// Whoever writes to several tables does so in one statement with parts of its own (WITH), all of
// which see the tables as they were before it.
#pragma once

#include <cstdint>
#include <string>

namespace postwain::qmgr {

enum class Pg : std::uint8_t {
  // Transactions and lanes (pg_session.h).
  begin,
  commit,
  roll_back,
  fence,
  name_batch,
  forget_batches,
  name_session,
  lock_registration,
  find_self,
  count_others,
  end_others,
  register_node,
  end_other_sessions,
  raise_lane,
  take_bags,
  select_names,
  forget_terms,
  forget_names,
  lock_node,
  raise_own_lane,
  last_batch,
  // Nodes and bags (pg_cluster.h).
  limit_locks,
  fence_node,
  adopt_bags,
  adopt_free_bags,
  give_bag,
  leave_cluster,
  set_stay,
  forget_node,
  // The heartbeat (pg_beats.h).
  beat,
  list_nodes,
  list_bags,
  facts_mark,
  // Messages that are one value each.
  insert_compact,
  remove_whole_compact,
  remove_compact,
  remove_compact_rests,
  put_compact_rests,
  select_compact_rests,
  select_compact,
  list_compact,
  next_compact,
  // Messages that are rows.
  insert_messages,
  remove_whole_messages,
  remove_recipients,
  hold_recipients,
  release_recipients,
  defer_recipients,
  remove_empty_messages,
  select_messages,
  select_recipients,
  select_content,
  list_messages,
  // Scans.
  scan_recipients,
  scan_senders,
  count_recipients,
  first_id,
  last_id,
  count_in_doubt,
  // What waits.
  due_recipients,
  next_due,
  list_destinations,
  bring_forward,
  move_recipients,
  set_back,
  // Facts.
  put_breaker,
  remove_breaker,
  list_breakers,
  put_mx_set,
  remove_mx_sets,
  list_mx_sets,
  put_sts_policy,
  remove_sts_policies,
  list_sts_policies,
  put_suspension,
  remove_suspension,
  end_suspension,
  list_suspensions,
  put_recipient_check,
  remove_recipient_checks,
  list_recipient_checks,
  put_clock,
  remove_clock_gaps,
  put_clock_gaps,
  select_clock,
  list_clock_gaps,
  prove_writable,
  // What the server is like.
  server_time,
  examine_server,
  select_durability,
  find_node,
  // Pieces of bodies.
  sync_later,
  check_term,
  drop_pieces,
  are_pieces_referred,
  insert_pieces,
  copy_pieces,
  select_pieces,
  count_pieces,
  remove_pieces,
  list_pieces,
  remove_left_pieces,
  // What nodes ask each other (keeper/pg_requests.h).
  requests_mark,
  put_request,
  take_requests,
  put_answer,
  take_answers,
  sweep_requests,
  sweep_answers,
  // Claims of places (pg_claims.h).
  lock_claims,
  put_claims,
  clean_claims,
  idle_claim_keys,
  list_claims,
  drop_claims,
  drop_node_claims,
  drop_other_claims,
  drop_dead_claims,
  // Rates over all nodes (keeper/pg_paces.h).
  lock_paces,
  move_paces,
  page_of_paces,
  clean_paces,
  // Breakers that nodes share (keeper/pg_breakers.h).
  put_shared_breaker,
  close_shared_breaker,
  changed_breakers,
  select_shared_breakers,
  begin_trials,
  end_trials,
  forget_old_breakers,
  // Blocks of history (keeper/pg_history_blocks.h).
  list_history_blocks,
  put_history_block,
  remove_history_blocks,
  remove_left_history,
  last_history_blocks,
  end_of_history_search,
  search_history,
  count_  // how many there are
};
constexpr std::size_t kPgCount = static_cast<std::size_t>(Pg::count_);

// What the server calls the prepared statement: "pw17".
std::string name_of(Pg statement);
std::string sql_text(Pg statement);

}  // namespace postwain::qmgr
