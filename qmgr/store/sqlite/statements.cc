#include "qmgr/store/sqlite/statements.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/mail/envelope.h"

namespace postwain::qmgr {

namespace {

// The text, where "{message}", "{recipient}" and "{values of …}" stand for columns and parameters.
std::string_view pattern_of(Sql statement) {
  switch (statement) {
    case Sql::insert_message:
      return "INSERT INTO message ({message}) SELECT {values of message} "
             "WHERE NOT EXISTS (SELECT 1 FROM fresh WHERE id = ?1)";
    case Sql::take_back_message:  // content and recipients go by the cascade
      return "DELETE FROM message WHERE id = ?1";
    case Sql::insert_compact:
      return "INSERT INTO fresh (id, recipients, data) SELECT ?1,?2,?3 "
             "WHERE NOT EXISTS (SELECT 1 FROM message WHERE id = ?1)";
    case Sql::select_compact:
      return "SELECT f.data, ifnull(l.left, '') FROM fresh f "
             "LEFT JOIN fresh_left l ON l.id = f.id WHERE f.id = ?1";
    case Sql::select_compact_rest:
      return "SELECT f.recipients, ifnull(l.left, '') FROM fresh f "
             "LEFT JOIN fresh_left l ON l.id = f.id WHERE f.id = ?1";
    case Sql::remove_compact:
      return "DELETE FROM fresh WHERE id = ?1";
    case Sql::remove_whole_compact:
      return "DELETE FROM fresh WHERE id = ?1 AND recipients = ?2";
    case Sql::put_compact_rest:
      return "INSERT INTO fresh_left (id, left) VALUES (?1,?2) "
             "ON CONFLICT (id) DO UPDATE SET left = ?2";
    case Sql::remove_compact_rest:
      return "DELETE FROM fresh_left WHERE id = ?1";
    case Sql::next_compact:
      return "SELECT id FROM fresh WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT 1";
    case Sql::list_compact:
      return "SELECT f.id, f.data, ifnull(l.left, '') FROM fresh f "
             "LEFT JOIN fresh_left l ON l.id = f.id "
             "WHERE f.id > ?1 AND f.id <= ?2 ORDER BY f.id LIMIT ?3";
    case Sql::insert_content:
      return "INSERT INTO content (id, data) VALUES (?1,?2)";
    case Sql::insert_recipient:
      return "INSERT INTO recipient (message_id, idx, state, destination, next_attempt_at, "
             "last_at, "
             "last_enhanced, last_text, {recipient}, attempts, in_doubt, delay_warned, last_stage, "
             "last_code, last_host) "
             "VALUES (?,?,?,?,?,?,?,?,{values of recipient},0,0,0,0,0,'')";
    case Sql::select_message:
      return "SELECT {message} FROM message WHERE id = ?1";
    case Sql::select_recipients:
      return "SELECT idx, {recipient}, state, destination, attempts, next_attempt_at, "
             "in_doubt, delay_warned, last_at, last_stage, last_code, last_enhanced, last_text, "
             "last_host, crashes FROM recipient WHERE message_id = ?1 AND idx >= ?2 ORDER BY idx "
             "LIMIT ?3";
    case Sql::select_content:
      return "SELECT substr(data, ?2, ?3) FROM content WHERE id = ?1";
    case Sql::remove_recipient:
      return "DELETE FROM recipient WHERE message_id = ?1 AND idx = ?2";
    case Sql::defer_recipient:
      return "UPDATE recipient SET destination = ?3, attempts = ?4, next_attempt_at = ?5, "
             "in_doubt = ?6, delay_warned = ?7, last_at = ?8, last_stage = ?9, last_code = ?10, "
             "last_enhanced = ?11, last_text = ?12, last_host = ?13, crashes = ?14, state = ?15 "
             "WHERE message_id = ?1 AND idx = ?2";
    case Sql::hold_recipient:
      return "UPDATE recipient SET state = 1 WHERE message_id = ?1 AND idx = ?2";
    case Sql::release_recipient:
      return "UPDATE recipient SET state = 0, next_attempt_at = ?3, crashes = 0 "
             "WHERE message_id = ?1 AND idx = ?2";
    case Sql::remove_empty_message:  // its content goes by the cascade
      return "DELETE FROM message WHERE id = ?1 AND NOT EXISTS "
             "(SELECT 1 FROM recipient WHERE message_id = ?1) RETURNING in_file";
    case Sql::remove_whole_message:  // only if its recipients are ?2 in number, from ?3 to ?4
      return "DELETE FROM message WHERE id = ?1 AND (SELECT count(*) = ?2 AND min(idx) = ?3 AND "
             "max(idx) = ?4 FROM recipient WHERE message_id = ?1)";
    case Sql::due_recipients:
      return "SELECT message_id, idx, {recipient}, state, destination, attempts, "
             "next_attempt_at, in_doubt, delay_warned, last_at, last_stage, last_code, "
             "last_enhanced, last_text, last_host, crashes FROM recipient "
             "WHERE state = 0 AND destination = ?1 AND next_attempt_at <= ?2 "
             "AND (next_attempt_at, message_id, idx) > (?4, ?5, ?6) "
             "ORDER BY next_attempt_at, message_id, idx LIMIT ?3";
    case Sql::next_due:
      return "SELECT next_attempt_at FROM recipient "
             "WHERE state = 0 AND destination = ?1 AND next_attempt_at > ?2 "
             "ORDER BY next_attempt_at LIMIT 1";
    case Sql::next_destination:
      return "SELECT destination, next_attempt_at FROM recipient "
             "WHERE state = 0 AND destination > ?1 "
             "ORDER BY destination, next_attempt_at LIMIT 1";
    case Sql::list_messages:
      return "SELECT {message} FROM message WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    case Sql::scan_recipients:
      return "SELECT message_id, idx, address, state, attempts FROM recipient "
             "WHERE (message_id, idx) > (?1, ?2) AND message_id <= ?3 "
             "ORDER BY message_id, idx LIMIT ?4";
    case Sql::scan_senders:
      return "SELECT id, reverse_path FROM message WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    case Sql::count_messages:
      return "SELECT count(*), max(id) FROM "
             "(SELECT id FROM message WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3)";
    case Sql::count_recipients:
      return "SELECT r.destination, m.traffic_class, r.state, r.attempts "
             "FROM message m CROSS JOIN recipient r ON r.message_id = m.id "
             "WHERE m.id > ?1 AND m.id <= ?2";
    case Sql::put_breaker:
      return "INSERT INTO destination (key, opens, opened_at, hold_until, reason) "
             "VALUES (?1,?2,?3,?4,?5) ON CONFLICT (key) DO UPDATE SET opens = ?2, opened_at = ?3, "
             "hold_until = ?4, reason = ?5";
    case Sql::remove_breaker:
      return "DELETE FROM destination WHERE key = ?1";
    case Sql::list_breakers:
      return "SELECT key, opens, opened_at, hold_until, reason FROM destination "
             "WHERE key > ?1 ORDER BY key LIMIT ?2";
    case Sql::put_mx_set:
      return "INSERT INTO mx_set (destination, hosts, seen_at) VALUES (?1,?2,?3) "
             "ON CONFLICT (destination) DO UPDATE SET hosts = ?2, seen_at = ?3";
    case Sql::remove_mx_sets:
      return "DELETE FROM mx_set WHERE seen_at < ?1";
    case Sql::list_mx_sets:
      return "SELECT destination, hosts FROM mx_set WHERE destination > ?1 "
             "ORDER BY destination LIMIT ?2";
    case Sql::put_sts_policy:
      return "INSERT INTO sts_policy (domain, id, mode, hosts, max_age, fetched_at) "
             "VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (domain) DO UPDATE SET id = ?2, mode = ?3, "
             "hosts = ?4, max_age = ?5, fetched_at = ?6";
    case Sql::list_sts_policies:
      return "SELECT domain, id, mode, hosts, max_age, fetched_at FROM sts_policy "
             "WHERE domain > ?1 ORDER BY domain LIMIT ?2";
    case Sql::remove_sts_policies:
      return "DELETE FROM sts_policy WHERE fetched_at < ?1";
    case Sql::move_recipient:
      return "UPDATE recipient SET destination = ?3 "
             "WHERE message_id = ?1 AND idx = ?2 AND state = 0";
    case Sql::bring_forward:
      return "UPDATE recipient SET next_attempt_at = ?2 WHERE (message_id, idx) IN (SELECT "
             "message_id, idx FROM recipient WHERE destination = ?1 AND state = 0 AND "
             "next_attempt_at > ?2 AND last_at > 0 AND last_stage <= ?3 "
             "ORDER BY next_attempt_at LIMIT ?4)";
    case Sql::count_in_doubt:
      return "SELECT count(*) FROM (SELECT 1 FROM recipient WHERE in_doubt = 1 LIMIT ?1)";
    case Sql::put_suspension:
      return "INSERT INTO suspension (destination, since, until, author, reason) "
             "VALUES (?1,?2,?3,?4,?5) ON CONFLICT (destination) DO UPDATE SET since = ?2, "
             "until = ?3, author = ?4, reason = ?5";
    case Sql::remove_suspension:
      return "DELETE FROM suspension WHERE destination = ?1";
    case Sql::end_suspension:
      return "DELETE FROM suspension WHERE destination = ?1 AND until <> 0 AND until <= ?2";
    case Sql::list_suspensions:
      return "SELECT destination, since, until, author, reason FROM suspension "
             "WHERE destination > ?1 ORDER BY destination LIMIT ?2";
    case Sql::put_recipient_check:
      return "INSERT INTO recipient_check (address, good, code, enhanced, text, at) "
             "VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (address) DO UPDATE SET good = ?2, code = ?3, "
             "enhanced = ?4, text = ?5, at = ?6";
    case Sql::list_recipient_checks:
      return "SELECT address, good, code, enhanced, text, at FROM recipient_check "
             "WHERE address > ?1 ORDER BY address LIMIT ?2";
    case Sql::remove_recipient_checks:
      return "DELETE FROM recipient_check WHERE at < ?1";
    case Sql::select_clock:
      return "SELECT last_seen FROM clock WHERE one = 1";
    case Sql::put_clock:
      return "UPDATE clock SET last_seen = ?1 WHERE one = 1";
    case Sql::list_clock_gaps:
      return "SELECT at, length FROM clock_gap WHERE at > ?1 ORDER BY at LIMIT ?2";
    case Sql::put_clock_gap:
      return "INSERT INTO clock_gap (at, length) VALUES (?1,?2) "
             "ON CONFLICT (at) DO UPDATE SET length = ?2";
    case Sql::remove_clock_gap:
      return "DELETE FROM clock_gap WHERE at = ?1";
    case Sql::set_back:
      return "UPDATE recipient SET next_attempt_at = max(?2, min(?4, next_attempt_at - ?3)) "
             "WHERE state = 0 AND destination = ?1 AND next_attempt_at > ?2";
    case Sql::begin:
      return "BEGIN IMMEDIATE";
    case Sql::commit:
      return "COMMIT";
    case Sql::roll_back:
      return "ROLLBACK";
    case Sql::count_:
      break;
  }
  PW_CHECK(false);
  return {};
}

// "?1,?2,…"; numbered: others of the statement refer to the first.
std::string parameters_for(const std::string& columns, bool numbered) {
  std::string out;
  auto count = 1 + std::count(columns.begin(), columns.end(), ',');
  for (std::ptrdiff_t i = 1; i <= count; ++i) {
    if (i > 1) out += ',';
    out += '?';
    if (numbered) out += std::to_string(i);
  }
  return out;
}

void replace(std::string& sql, std::string_view word, const std::string& with) {
  for (std::size_t at = sql.find(word); at != std::string::npos; at = sql.find(word))
    sql.replace(at, word.size(), with);
}

template <class Owner>
std::string columns_of(const Owner& owner) {
  std::string out;
  mail::visit_fields(owner, [&out](const mail::FieldName& name, const auto&) {
    if (!out.empty()) out += ", ";
    out += name.column;
  });
  return out;
}

}  // namespace

std::string message_columns() {
  return "id, " + columns_of(mail::Envelope()) +
         ", eight_bit, size, received_at, protocol, client_address, client_name, account, kind, "
         "traffic_class, in_file, header_size";
}

std::string envelope_columns_of_recipient() {
  return columns_of(mail::Recipient());
}

std::string sql_text(Sql statement) {
  std::string sql(pattern_of(statement));
  if (sql.find('{') == std::string::npos) return sql;
  replace(sql, "{message}", message_columns());
  replace(sql, "{values of message}", parameters_for(message_columns(), true));
  replace(sql, "{recipient}", envelope_columns_of_recipient());
  replace(sql, "{values of recipient}", parameters_for(envelope_columns_of_recipient(), false));
  return sql;
}

}  // namespace postwain::qmgr
