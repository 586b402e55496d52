// Reading the whole queue, for an operator's command: page by page, and past what is not meant.
#include "qmgr/model/row_id.h"
#include "qmgr/store/sqlite/store.h"

namespace postwain::qmgr {

namespace {

mail::QueueId before(mail::QueueId id) {
  return mail::QueueId{id.value - 1};
}

}  // namespace

Result<ListPage> Store::list(ListCursor at, mail::QueueId last, std::size_t max_messages,
                             std::size_t max_recipients) {
  ListPage page;
  page.next = at;
  std::vector<MessageInfo> infos;
  std::size_t left = max_recipients;
  if (at.from > 0) {
    Result<std::optional<MessageInfo>> within = info(at.within);
    if (!within) return within.error();
    if (*within) infos.push_back(std::move(**within));
  }
  {
    Use use(sql(Sql::list_messages));
    use.number(number_of(at.after))
        .number(number_of(last))
        .number(static_cast<std::int64_t>(max_messages));
    std::size_t rows = 0;
    for (;;) {
      Use::Step step = use.step();
      if (step == Use::Step::failed) return error(Sql::list_messages);
      if (step == Use::Step::done) break;
      ++rows;
      if (auto one = read_info(use)) infos.push_back(*std::move(one));
    }
    page.end = rows < max_messages;
  }
  std::size_t most = max_messages + (at.from > 0 ? 1 : 0);
  Result<std::size_t> fresh = list_compact(infos, at, last, max_messages);
  if (!fresh) return fresh.error();
  page.end = page.end && *fresh < max_messages && infos.size() <= most;
  if (infos.size() > most) infos.resize(most);
  for (MessageInfo& info : infos) {
    bool is_rest = at.from > 0 && info.id == at.within;
    std::uint32_t from = is_rest ? at.from : 0;
    StoredMessage slice{std::move(info), {}};
    mail::QueueId id = slice.info.id;
    if (Status s = read_recipients(slice, from, left); !s) return s.error();
    bool cut = slice.recipients.size() == left;
    left -= slice.recipients.size();
    if (!is_rest) page.next.after = id;
    page.next.within = id;
    page.next.from = cut ? slice.recipients.back().index + 1 : 0;
    page.slices.push_back(std::move(slice));
    if (!cut) continue;
    page.end = false;
    break;
  }
  if (page.slices.empty()) page.next.from = 0;
  return page;
}

// Messages that are one value still are few: each of them may be meant.
Result<bool> Store::skim(mail::QueueId& after, mail::QueueId last,
                         const std::function<Result<bool>(mail::QueueId last)>& rows) {
  Result<std::optional<mail::QueueId>> fresh = first_compact(after, last);
  if (!fresh) return fresh.error();
  mail::QueueId end = *fresh ? before(**fresh) : last;
  if (after < end) {
    Result<bool> found = rows(end);
    if (!found || *found || after < end) return found;
  }
  return fresh->has_value();
}

Result<bool> Store::skim_recipients(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                    const MayMatch& may_match,
                                    const MayMatchState& may_match_state) {
  return skim(after, last, [&](mail::QueueId end) {
    return skim_recipient_rows(after, end, max_rows, may_match, may_match_state);
  });
}

Result<bool> Store::skim_senders(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                 const MayMatch& may_match) {
  return skim(after, last,
              [&](mail::QueueId end) { return skim_sender_rows(after, end, max_rows, may_match); });
}

// A row whose address does not match costs nothing but that: three million of them in a second.
Result<bool> Store::skim_recipient_rows(mail::QueueId& after, mail::QueueId last,
                                        std::size_t max_rows, const MayMatch& may_match,
                                        const MayMatchState& may_match_state) {
  Use use(sql(Sql::skim_recipients));
  use.number(number_of(after)).number(number_of(last)).number(static_cast<std::int64_t>(max_rows));
  for (std::size_t rows = 1;; ++rows) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::skim_recipients);
    if (step == Use::Step::done) {
      after = last;
      return false;
    }
    bool matches = may_match(use.view());
    bool cut = rows == max_rows;
    if (!matches && !cut) continue;
    mail::QueueId id = id_of(use.number());
    auto state = use.number() != 0 ? RecipientState::held : RecipientState::waiting;
    matches = matches && may_match_state(state, static_cast<std::uint32_t>(use.number()));
    if (!matches && !cut) continue;
    // Of the last message there may be more. One that fills the stretch alone may be meant.
    bool alone = before(id) == after;
    after = before(id);
    return matches || alone;
  }
}

Result<bool> Store::skim_sender_rows(mail::QueueId& after, mail::QueueId last, std::size_t max_rows,
                                     const MayMatch& may_match) {
  Use use(sql(Sql::skim_senders));
  use.number(number_of(after)).number(number_of(last)).number(static_cast<std::int64_t>(max_rows));
  for (std::size_t rows = 0;; ++rows) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::skim_senders);
    if (step == Use::Step::done) {
      if (rows < max_rows) after = last;
      return false;
    }
    mail::QueueId id = id_of(use.number());
    if (may_match(use.view())) {
      after = before(id);
      return true;
    }
    after = id;
  }
}

// Fresh messages and rows of the same ids in one stretch: a message that becomes rows meanwhile is
// neither missed nor counted twice.
Result<bool> Store::survey(SurveyCursor& at, mail::QueueId last, std::size_t max_rows,
                           const OnRecipient& on_recipient) {
  // Each is read with its content.
  constexpr std::size_t kCompactAtOnce = 200;
  auto fresh = compact_addresses(at.id, last, kCompactAtOnce);
  if (!fresh) return fresh.error();
  mail::QueueId end = fresh->size() == kCompactAtOnce ? fresh->back().first : last;
  bool cut = false;
  SurveyCursor next{end, INT64_MAX};
  {
    Use use(sql(Sql::survey_recipients));
    use.number(number_of(at.id)).number(at.index).number(static_cast<std::int64_t>(max_rows));
    for (std::size_t rows = 1;; ++rows) {
      Use::Step step = use.step();
      if (step == Use::Step::failed) return error(Sql::survey_recipients);
      if (step == Use::Step::done) break;
      SurveyCursor row{id_of(use.number()), use.number()};
      if (row.id > end) break;
      on_recipient(row.id, use.view());
      cut = rows == max_rows;
      if (!cut) continue;
      next = row;
      break;
    }
  }
  for (const auto& [id, addresses] : *fresh)
    if (id <= next.id)
      for (const std::string& address : addresses) on_recipient(id, address);
  at = next;
  return cut || end < last;
}

Result<std::size_t> Store::in_doubt(std::size_t most) {
  Use use(sql(Sql::count_in_doubt));
  use.number(static_cast<std::int64_t>(most));
  if (use.step() != Use::Step::row) return error(Sql::count_in_doubt);
  return static_cast<std::size_t>(use.number());
}

}  // namespace postwain::qmgr
