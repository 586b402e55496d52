// What a policy service answers. (policy_member.cc: what it is asked.)
#include <iterator>
#include <utility>

#include "common/log/log.h"
#include "filter/deciding/policy_rights.h"
#include "filter/policy/policy_member.h"

namespace postwain::filter {

using config::FilterRight;
using ipc::FilterStage;
using ipc::FilterVerdict;
using milter::Edit;
using policy_service::Action;
using policy_service::Answer;

void PolicyMember::Wishes::add(const Wishes& more) {
  prepends.insert(prepends.end(), more.prepends.begin(), more.prepends.end());
  others.insert(others.end(), more.others.begin(), more.others.end());
  if (more.redirect) redirect = more.redirect;
}

PolicyMember::Wishes& PolicyMember::wishes_of(FilterStage stage) {
  if (stage == FilterStage::connect) return session_.connect;
  if (stage == FilterStage::helo) return session_.helo;
  return message_.wishes;
}

Opinion PolicyMember::heard(FilterStage stage, Answer answer) {
  switch (answer.action) {
    case Action::none:
    case Action::permit:
    case Action::remark:
      if (!answer.text.empty()) message_.remark = answer.text;
      return {};
    case Action::mistake:
      note_mistake(answer.text);
      return {};
    case Action::refuse:
      return refused(stage, FilterVerdict::refuse, std::move(answer));
    case Action::defer:
    case Action::defer_if_permit:
    case Action::defer_if_reject:
      return refused(stage, FilterVerdict::defer, std::move(answer));
    case Action::hang_up:
      return refused(stage, FilterVerdict::hang_up, std::move(answer));
    case Action::discard:
      return refused(stage, FilterVerdict::discard, std::move(answer));
    case Action::hold:
    case Action::redirect:
    case Action::blind_copy:
    case Action::prepend:
      note_wish(stage, std::move(answer));
      return {};
  }
  return {};
}

Opinion PolicyMember::refused(FilterStage stage, FilterVerdict verdict, Answer answer) {
  mail::Reply reply = std::move(answer.reply);
  if (reply.text.empty() && reply.code != 0)
    reply.text = (verdict == FilterVerdict::refuse ? "refused by " : "put off by ") + name();
  // Its condition is not its last word.
  if (answer.action == Action::defer_if_reject) {
    message_.remark = "if refused: " + reply.one_line();
    if (!record_.may(FilterRight::defer) || record_.watched()) return {};
    return {verdict, std::move(reply), false, std::nullopt, Opinion::When::if_refused};
  }
  bool for_message = verdict == FilterVerdict::discard || verdict == FilterVerdict::hang_up ||
                     (is_of_message(stage) && stage != FilterStage::rcpt);
  bool judged = for_message && hears();
  Opinion out = record_.refused(verdict, std::move(reply), for_message);
  if (judged) {
    message_.wishes = {};
    message_.edits = 0;
    message_.holds = false;
    complete();
  }
  bool counts = out.verdict != FilterVerdict::keep_going;
  if (counts && answer.action == Action::defer_if_permit) out.when = Opinion::When::if_permitted;
  return out;
}

void PolicyMember::note_mistake(const std::string& what) {
  log::Line(log::Level::warning, "policy_mistake")
      .kv("id", facts_.id())
      .kv("filter", name())
      .kv("stage", name_of(record_.stage()))
      .kv("reason", what);
  message_.remark = what;
}

void PolicyMember::note_wish(FilterStage stage, Answer answer) {
  Wishes& wishes = wishes_of(stage);
  bool prepends = answer.action == Action::prepend;
  if (prepends && stage == FilterStage::end_of_message)
    return note_mistake("PREPEND at the end of the message, where the header is done");
  if (prepends && message_.wishes.prepends.size() >= kPrependsMax)
    return note_mistake("PREPEND of too many fields");
  if (auto right = right_for(answer.action); right && !record_.may(*right)) {
    ++message_.edits_not_allowed;
    return;
  }
  ++message_.edits;
  Edit edit{Edit::Kind::insert_header, 0, std::move(answer.field_name), answer.text};
  switch (answer.action) {
    case Action::hold:
      message_.holds = true;
      message_.remark = answer.text;
      edit.kind = Edit::Kind::quarantine;
      break;
    case Action::blind_copy:
      edit = {Edit::Kind::add_recipient, 0, answer.text, "NOTIFY=NEVER"};
      break;
    default:
      break;
  }
  if (record_.watched()) return;
  if (prepends)
    wishes.prepends.push_back(std::move(edit));
  else if (answer.action == Action::redirect)
    wishes.redirect = answer.text;
  else
    wishes.others.push_back(std::move(edit));
  // A wish of the session that was owed is one of the message under way, too.
  if (&wishes != &message_.wishes && record_.is_in_message()) {
    message_.wishes = session_.connect;
    message_.wishes.add(session_.helo);
  }
}

// They stand in the order in which they were asked for (Postfix's smtpd.c): the first one is put
// above all others last.
std::vector<Edit> PolicyMember::take_edits() {
  Wishes wishes = std::exchange(message_.wishes, {});
  std::vector<Edit> out(std::make_move_iterator(wishes.prepends.rbegin()),
                        std::make_move_iterator(wishes.prepends.rend()));
  if (wishes.redirect) {
    if (facts_.envelope)
      for (const std::string& recipient : facts_.envelope->recipients)
        out.push_back({Edit::Kind::delete_recipient, 0, recipient, {}});
    out.push_back({Edit::Kind::add_recipient, 0, *wishes.redirect, {}});
  }
  std::move(wishes.others.begin(), wishes.others.end(), std::back_inserter(out));
  return out;
}

}  // namespace postwain::filter
