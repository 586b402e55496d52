// Reading the queue, always in bounded pieces. What comes back is checked like input from outside:
// a damaged row must not become an impossible value.
#include <algorithm>

#include "common/base/sane_time.h"

#include "qmgr/model/row_id.h"
#include "qmgr/store/sqlite/store.h"

namespace postwain::qmgr {

namespace {

template <class Enum>
Enum enum_of(std::int64_t number, Enum last) {
  return static_cast<Enum>(std::clamp<std::int64_t>(number, 0, static_cast<std::int64_t>(last)));
}

StoredRecipient read_recipient(Use& use) {
  StoredRecipient r;
  r.index = static_cast<std::uint32_t>(use.number());
  r.recipient.address = mail::Address::from_text(use.text());
  r.recipient.notify.bits = static_cast<std::uint8_t>(use.number() & 15);
  r.recipient.orcpt = use.text();
  r.state = enum_of(use.number(), RecipientState::held);
  r.destination = use.text();
  r.attempts = static_cast<std::uint32_t>(use.number());
  r.next_attempt_at = sane_time(use.number());
  r.in_doubt = use.flag();
  r.delay_warned = use.flag();
  r.last.at = sane_time(use.number());
  r.last.stage = enum_of(use.number(), mail::Stage::final_reply);
  r.last.reply.code = static_cast<int>(use.number());
  r.last.reply.enhanced = mail::EnhancedCode::parse(use.text());
  r.last.reply.text = use.text();
  r.last.remote_host = use.text();
  r.crashes = static_cast<std::uint32_t>(use.number());
  return r;
}

}  // namespace

std::optional<MessageInfo> Store::read_info(Use& use) {
  MessageInfo info;
  info.id = id_of(use.number());
  info.envelope.reverse_path = mail::Address::from_text(use.text());
  info.envelope.body = enum_of(use.number(), mail::BodyType::binary_mime);
  info.envelope.smtputf8 = use.flag();
  info.eight_bit = use.flag();
  info.envelope.ret = enum_of(use.number(), mail::DsnReturn::headers);
  info.envelope.envid = use.text();
  info.size = static_cast<std::uint64_t>(use.number());
  info.arrival.received_at = sane_time(use.number());
  info.arrival.protocol = use.text();
  info.arrival.client_address = use.text();
  info.arrival.client_name = use.text();
  info.arrival.account = use.text();
  info.kind = enum_of(use.number(), MessageKind::double_bounce);
  info.traffic_class = enum_of(use.number(), TrafficClass::bounce);
  info.in_file = use.flag();
  info.envelope.require_tls = use.flag();
  info.envelope.tls_required_no = use.flag();
  return info;
}

Result<std::optional<MessageInfo>> Store::info(mail::QueueId id) {
  Use use(sql(Sql::select_message));
  switch (use.number(number_of(id)).step()) {
    case Use::Step::row:
      return read_info(use);
    case Use::Step::done:
      break;
    case Use::Step::failed:
      return error(Sql::select_message);
  }
  Result<std::optional<StoredMessage>> fresh = compact_message(id, 0, 0);
  if (!fresh) return fresh.error();
  if (!*fresh) return std::optional<MessageInfo>();
  return std::optional<MessageInfo>(std::move((**fresh).info));
}

Result<bool> Store::has_message(mail::QueueId id) {
  Result<std::optional<MessageInfo>> found = info(id);
  if (!found) return found.error();
  return found->has_value();
}

Result<std::optional<StoredMessage>> Store::message(mail::QueueId id, std::uint32_t from,
                                                    std::uint32_t max_recipients) {
  Result<std::optional<MessageInfo>> found = info(id);
  if (!found) return found.error();
  if (!*found) return std::optional<StoredMessage>();
  StoredMessage message{std::move(**found), {}};
  if (Status s = read_recipients(message, from, max_recipients); !s) return s.error();
  return std::optional<StoredMessage>(std::move(message));
}

Status Store::read_recipients(StoredMessage& message, std::uint32_t from,
                              std::size_t max_recipients) {
  {
    Use use(sql(Sql::select_recipients));
    use.number(number_of(message.info.id))
        .number(from)
        .number(static_cast<std::int64_t>(max_recipients));
    for (;;) {
      Use::Step step = use.step();
      if (step == Use::Step::failed) return error(Sql::select_recipients);
      if (step == Use::Step::done) break;
      message.recipients.push_back(read_recipient(use));
    }
  }
  if (!message.recipients.empty()) return {};
  Result<std::optional<StoredMessage>> fresh =
      compact_message(message.info.id, from, max_recipients);
  if (!fresh && fresh.error().code != 0) return fresh.error();
  if (fresh && *fresh) message.recipients = std::move((**fresh).recipients);
  return {};
}

Result<DuePage> Store::due(const std::string& destination, WallTime now, std::uint32_t limit,
                           const StoreCursor& after) {
  DuePage page;
  {
    Use use(sql(Sql::due_recipients));
    use.text(destination)
        .number(to_unix_ms(now))
        .number(limit)
        .number(to_unix_ms(after.due))
        .number(number_of(after.id))
        .number(after.index);
    for (;;) {
      Use::Step step = use.step();
      if (step == Use::Step::failed) return error(Sql::due_recipients);
      if (step == Use::Step::done) break;
      mail::QueueId id = id_of(use.number());
      page.rows.push_back({id, read_recipient(use)});
    }
  }
  if (page.rows.size() >= limit && limit > 0) {
    page.next_due = page.rows.back().recipient.next_attempt_at;
  } else {
    Use use(sql(Sql::next_due));
    Use::Step step = use.text(destination).number(to_unix_ms(now)).step();
    if (step == Use::Step::failed) return error(Sql::next_due);
    if (step == Use::Step::row) page.next_due = sane_time(use.number());
  }
  std::vector<mail::QueueId> ids;
  for (const DuePage::Row& row : page.rows) ids.push_back(row.message);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (mail::QueueId id : ids) {
    Result<std::optional<MessageInfo>> found = info(id);
    if (!found) return found.error();
    if (*found) page.messages.push_back(std::move(**found));
  }
  return page;
}

// One seek for each destination, however many rows it has.
Result<std::vector<DueDestination>> Store::destinations(const std::string& after,
                                                        std::size_t limit) {
  std::vector<DueDestination> found;
  std::string cursor = after;
  while (found.size() < limit) {
    Use use(sql(Sql::next_destination));
    Use::Step step = use.text(cursor).step();
    if (step == Use::Step::failed) return error(Sql::next_destination);
    if (step == Use::Step::done) break;
    DueDestination one;
    one.destination = use.text();
    one.due_at = sane_time(use.number());
    cursor = one.destination;
    found.push_back(std::move(one));
  }
  return found;
}

Result<std::vector<OpenBreaker>> Store::breakers(const std::string& after, std::size_t limit) {
  std::vector<OpenBreaker> found;
  Use use(sql(Sql::list_breakers));
  use.text(after).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_breakers);
    if (step == Use::Step::done) return found;
    OpenBreaker breaker;
    breaker.destination = use.text();
    breaker.opens = static_cast<std::uint32_t>(use.number());
    breaker.opened_at = sane_time(use.number());
    breaker.hold_until = sane_time(use.number());
    breaker.reason = use.text();
    found.push_back(std::move(breaker));
  }
}

Result<std::optional<std::string>> Store::content(mail::QueueId id, std::uint64_t offset,
                                                  std::size_t length) {
  {
    Use use(sql(Sql::select_content));
    use.number(number_of(id))
        .number(static_cast<std::int64_t>(offset) + 1)
        .number(static_cast<std::int64_t>(length));
    Use::Step step = use.step();
    if (step == Use::Step::row) return std::optional<std::string>(use.text());
    if (step == Use::Step::failed) return error(Sql::select_content);
  }
  return compact_content(id, offset, length);
}

Result<std::optional<mail::QueueId>> Store::count(mail::QueueId after, mail::QueueId last,
                                                  std::size_t max_messages, Counts& counts) {
  mail::QueueId end;
  {
    Use use(sql(Sql::count_messages));
    use.number(number_of(after))
        .number(number_of(last))
        .number(static_cast<std::int64_t>(max_messages));
    if (use.step() != Use::Step::row) return error(Sql::count_messages);
    std::int64_t messages = use.number();
    counts.messages += messages;
    bool more = messages >= static_cast<std::int64_t>(max_messages);
    end = more ? id_of(use.number()) : last;
    if (after >= last) return std::optional<mail::QueueId>();
  }
  if (Status s = count_compact(after, end, counts); !s) return s.error();
  Use use(sql(Sql::count_recipients));
  use.number(number_of(after)).number(number_of(end));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::count_recipients);
    if (step == Use::Step::done) return std::optional<mail::QueueId>(end);
    std::string_view destination = use.view();
    auto traffic_class = enum_of(use.number(), TrafficClass::bounce);
    auto state = enum_of(use.number(), RecipientState::held);
    auto attempts = static_cast<std::uint32_t>(use.number());
    counts.add(destination, traffic_class, queue_state(state, attempts));
  }
}

Result<mail::QueueId> Store::last_id() {
  Result<std::string> text = db_.ask(
      "SELECT max(ifnull((SELECT max(id) FROM message), 0), "
      "ifnull((SELECT max(id) FROM fresh), 0))");
  if (!text) return text.error();
  return id_of(std::strtoll(text->c_str(), nullptr, 10));
}

Result<mail::QueueId> Store::first_id() {
  Result<std::string> text = db_.ask(
      "SELECT ifnull(min(ifnull(m, f), ifnull(f, m)), 0) FROM "
      "(SELECT (SELECT min(id) FROM message) AS m, (SELECT min(id) FROM fresh) AS f)");
  if (!text) return text.error();
  return id_of(std::strtoll(text->c_str(), nullptr, 10));
}

}  // namespace postwain::qmgr
