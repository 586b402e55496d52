#include "qmgr/store/sqlite/sqlite_scan.h"

#include <cstdlib>

#include "qmgr/model/row_id.h"
#include "qmgr/store/sqlite/row_values.h"

namespace postwain::qmgr {

StoreResult<bool> SqliteScan::recipients(const SurveyCursor& after, mail::QueueId last,
                                         std::size_t limit, const OnRecipient& on_row) {
  Use use(sql_[Sql::scan_recipients]);
  use.number(number_of(after.id))
      .number(after.index)
      .number(number_of(last))
      .number(static_cast<std::int64_t>(limit));
  for (std::size_t rows = 0;; ++rows) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::scan_recipients);
    if (step == Use::Step::done) return rows < limit;
    RecipientRow row;
    row.id = id_of(use.number());
    row.index = use.number();
    row.address = use.view();
    row.state = enum_of(use.number(), RecipientState::held);
    row.attempts = static_cast<std::uint32_t>(use.number());
    if (!on_row(row)) return false;
  }
}

StoreResult<bool> SqliteScan::senders(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                      const OnSender& on_row) {
  Use use(sql_[Sql::scan_senders]);
  use.number(number_of(after)).number(number_of(last)).number(static_cast<std::int64_t>(limit));
  for (std::size_t rows = 0;; ++rows) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::scan_senders);
    if (step == Use::Step::done) return rows < limit;
    SenderRow row;
    row.id = id_of(use.number());
    row.reverse_path = use.view();
    if (!on_row(row)) return false;
  }
}

StoreResult<mail::QueueId> SqliteScan::count(mail::QueueId after, mail::QueueId last,
                                             std::size_t limit, Counts& counts) {
  mail::QueueId end = last;
  {
    Use use(sql_[Sql::count_messages]);
    use.number(number_of(after)).number(number_of(last)).number(static_cast<std::int64_t>(limit));
    if (use.step() != Use::Step::row) return sql_.error(Sql::count_messages);
    std::int64_t messages = use.number();
    counts.messages += messages;
    if (messages >= static_cast<std::int64_t>(limit)) end = id_of(use.number());
  }
  Use use(sql_[Sql::count_recipients]);
  use.number(number_of(after)).number(number_of(end));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::count_recipients);
    if (step == Use::Step::done) return end;
    std::string_view destination = use.view();
    auto traffic_class = enum_of(use.number(), TrafficClass::bounce);
    auto state = enum_of(use.number(), RecipientState::held);
    auto attempts = static_cast<std::uint32_t>(use.number());
    counts.add(destination, traffic_class, queue_state(state, attempts));
  }
}

StoreResult<mail::QueueId> SqliteScan::ask_id(const char* question) {
  Result<std::string> text = sql_.database().ask(question);
  if (!text) return store_error(text.error());
  return id_of(std::strtoll(text->c_str(), nullptr, 10));
}

StoreResult<mail::QueueId> SqliteScan::last_id() {
  return ask_id(
      "SELECT max(ifnull((SELECT max(id) FROM message), 0), "
      "ifnull((SELECT max(id) FROM fresh), 0))");
}

StoreResult<mail::QueueId> SqliteScan::first_id() {
  return ask_id(
      "SELECT ifnull(min(ifnull(m, f), ifnull(f, m)), 0) FROM "
      "(SELECT (SELECT min(id) FROM message) AS m, (SELECT min(id) FROM fresh) AS f)");
}

StoreResult<std::size_t> SqliteScan::in_doubt(std::size_t most) {
  Use use(sql_[Sql::count_in_doubt]);
  use.number(static_cast<std::int64_t>(most));
  if (use.step() != Use::Step::row) return sql_.error(Sql::count_in_doubt);
  return static_cast<std::size_t>(use.number());
}

}  // namespace postwain::qmgr
