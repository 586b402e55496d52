// Every SQL statement of the queue's daily work, in one place. A test asks SQLite for the plan of
// each and refuses scans, so the cost of all of them depends on what they touch, not on the size of
// the queue.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace postwain::qmgr {

enum class Sql : std::uint8_t {
  insert_message,
  take_back_message,
  insert_compact,
  select_compact,
  select_compact_rest,
  remove_compact,
  remove_whole_compact,
  put_compact_rest,
  remove_compact_rest,
  next_compact,
  list_compact,
  insert_content,
  insert_recipient,
  select_message,
  select_recipients,
  select_content,
  remove_recipient,
  defer_recipient,
  hold_recipient,
  release_recipient,
  remove_empty_message,
  remove_whole_message,
  due_recipients,
  next_due,
  next_destination,
  list_messages,
  scan_recipients,
  scan_senders,
  count_messages,
  count_recipients,
  put_breaker,
  remove_breaker,
  list_breakers,
  put_mx_set,
  remove_mx_sets,
  list_mx_sets,
  put_sts_policy,
  list_sts_policies,
  remove_sts_policies,
  bring_forward,
  move_recipient,
  count_in_doubt,
  put_suspension,
  remove_suspension,
  end_suspension,
  list_suspensions,
  put_recipient_check,
  list_recipient_checks,
  remove_recipient_checks,
  select_clock,
  put_clock,
  list_clock_gaps,
  put_clock_gap,
  remove_clock_gap,
  set_back,
  begin,
  commit,
  roll_back,
  count_  // how many there are
};
constexpr std::size_t kSqlCount = static_cast<std::size_t>(Sql::count_);

// The columns of a message's row as insert_message, select_message and list_messages have them, and
// of what RCPT said in a recipient's row: those of the envelope by visit_fields(), so that a new
// field of it needs nothing here but its column in the schema. row_values.h follows that order.
std::string message_columns();
std::string envelope_columns_of_recipient();

std::string sql_text(Sql statement);

}  // namespace postwain::qmgr
