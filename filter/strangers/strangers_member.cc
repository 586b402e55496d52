#include "filter/strangers/strangers_member.h"

#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/log/log.h"
#include "common/mail/address.h"
#include "filter/deciding/client_signs.h"
#include "filter/deciding/list_answer.h"

namespace postwain::filter {

using ipc::FilterStage;
using ipc::FilterVerdict;

namespace {

std::string_view without_brackets(std::string_view address) {
  if (!address.empty() && address.front() == '<') address.remove_prefix(1);
  if (!address.empty() && address.back() == '>') address.remove_suffix(1);
  return address;
}

}  // namespace

StrangersMember::StrangersMember(StrangersJudge& judge, const SessionFacts& facts,
                                 MemberOwner& owner)
    : judge_(judge), facts_(facts), owner_(owner) {
  reason_.alive = std::make_shared<bool>(true);
}

StrangersMember::~StrangersMember() {
  *reason_.alive = false;
}

// A client on a Unix socket is none, whatever it may do.
bool StrangersMember::is_stranger() const {
  using Family = ipc::FilterSession::Family;
  Family family = facts_.session.family;
  bool world = facts_.session.kind == ipc::FilterKind::world;
  return world && !known_ && (family == Family::ipv4 || family == Family::ipv6);
}

// Questions begin as soon as the client is there, and go on beside the session.
void StrangersMember::look() {
  if (look_ || !is_stranger()) return;
  look_ = std::make_unique<ClientLook>(judge_.tools(), [this] { owner_.member_changed(); });
  look_->client(facts_.session.client_address);
  if (facts_.helo) look_->helo(*facts_.helo);
}

void StrangersMember::give(const ipc::FilterEvent& event) {
  stage_ = event.stage;
  known_ = event.known;
  talked_early_ = talked_early_ || (delay_ && event.talked_early);
  opinion_.reset();
  recipient_.reset();
  look();
  if (!is_stranger()) return note_whom_we_write_to(event);
  switch (event.stage) {
    case FilterStage::connect:
      if (event.awaited && wants_delay()) delay_greeting();
      return;
    case FilterStage::helo:
      look_->helo(event.text);
      if (delay_ && !talked_early_)
        judge_.store().table().greeted(client_of(facts_.session.client_address),
                                       judge_.store().now());
      return;
    case FilterStage::mail: {
      message_.sender = to_lower(without_brackets(event.text));
      message_.sender_domain = mail::Address::from_text(message_.sender).domain_key();
      if (!message_.sender_domain.empty()) look_->sender(message_.sender_domain);
      return;
    }
    case FilterStage::rcpt:
      return begin_rcpt(event);
    case FilterStage::data:
      opinion_ = judge_data();
      return;
    case FilterStage::unknown:
    case FilterStage::end_of_header:
    case FilterStage::end_of_message:
      return;
  }
}

// An answer to one of us is not put off.
void StrangersMember::note_whom_we_write_to(const ipc::FilterEvent& event) {
  if (!judge_.settings().greylists()) return;
  if (event.stage == FilterStage::mail) message_.sender = to_lower(without_brackets(event.text));
  if (event.stage == FilterStage::rcpt && !event.rejected && !message_.sender.empty() &&
      message_.written_to.size() < kWrittenToMax)
    message_.written_to.push_back(to_lower(without_brackets(event.text)));
}

// Who has waited before, or is good, is greeted at once.
bool StrangersMember::wants_delay() const {
  if (judge_.settings().greet_delay == Duration::zero()) return false;
  const std::string& address = facts_.session.client_address;
  const GreylistTable& table = judge_.store().table();
  GreylistTable::Seconds now = judge_.store().now();
  return !table.has_greeted(client_of(address), now) && !table.is_good({network_of(address)}, now);
}

// What the client says before it is greeted smtpd tells with the next event.
void StrangersMember::delay_greeting() {
  delay_ = judge_.clock().alarm();
  delay_->start(judge_.settings().greet_delay, [this] { owner_.member_changed(); });
}

void StrangersMember::begin_rcpt(const ipc::FilterEvent& event) {
  std::string_view address = without_brackets(event.text);
  if (event.rejected || !judges_mail_to(address)) return;
  recipient_ = std::string(address);
  begun_ = judge_.clock().mono();
}

std::optional<Opinion> StrangersMember::poll() {
  if (opinion_) return std::exchange(opinion_, std::nullopt);
  if (stage_ == FilterStage::connect && delay_ && delay_->active()) return std::nullopt;
  if (!recipient_ || !look_) return Opinion{};
  std::optional<Opinion> out = judge_rcpt();
  if (out) recipient_.reset();
  return out;
}

std::optional<Opinion> StrangersMember::judge_rcpt() {
  if (look_->pending()) return std::nullopt;
  StrangerFacts facts = look_->facts();
  facts.talked_early = talked_early_;
  StrangerScore score = score_of(judge_.settings(), judge_.our_name(), facts);
  switch (verdict_of(judge_.settings(), score.sum)) {
    case StrangerVerdict::passes:
      break;
    case StrangerVerdict::greylist:
      if (!message_.sender.empty()) return put_off(facts, score);
      // Callouts end before DATA and are not held up; what has no sender is put off there.
      if (message_.put_off_at_data.empty()) message_.put_off_at_data = *recipient_;
      break;
    case StrangerVerdict::refuse:
      if (awaits_reason(score)) return std::nullopt;
      return say(FilterVerdict::refuse, refusal_of(facts, score, reason_.text), {}, score);
  }
  return say(FilterVerdict::keep_going, {}, {}, score);
}

// The weightiest list is asked why, once in a session.
bool StrangersMember::awaits_reason(const StrangerScore& score) {
  if (reason_.asked) return !reason_.known;
  reason_.asked = true;
  reason_.known = true;
  const auto& lists = judge_.settings().lists;
  for (const StrangerScore::Point& point : score.points) {
    if (!point.of_list || point.weight <= 0) continue;
    std::size_t list = 0;
    while (list < lists.size() && lists[list].label != point.label) ++list;
    reason_.known = false;
    reason_.limit = judge_.clock().alarm();
    reason_.limit->start(kReasonMax, [this] {
      reason_.known = true;
      owner_.member_changed();
    });
    asking_ = true;  // it may say it at once
    judge_.desk().ask_reason(list, look_->subject(list),
                             [this, alive = reason_.alive](const std::string& text) {
                               if (!*alive || reason_.known) return;
                               reason_.known = true;
                               reason_.text = text;
                               reason_.limit->stop();
                               if (!asking_) owner_.member_changed();
                             });
    asking_ = false;
    break;
  }
  return !reason_.known;
}

// At DATA, of mail without a sender.
Opinion StrangersMember::judge_data() {
  if (message_.put_off_at_data.empty() || !look_) return {};
  recipient_ = std::exchange(message_.put_off_at_data, {});
  begun_ = judge_.clock().mono();
  StrangerFacts facts = look_->facts();
  facts.talked_early = talked_early_;
  Opinion out = put_off(facts, score_of(judge_.settings(), judge_.our_name(), facts));
  recipient_.reset();
  out.of_message = out.verdict != FilterVerdict::keep_going;
  return out;
}

Opinion StrangersMember::put_off(const StrangerFacts& facts, const StrangerScore& score) {
  SeenStore& store = judge_.store();
  if (store.table().has_written(to_lower(*recipient_), message_.sender, store.now()))
    return say(FilterVerdict::keep_going, {}, "it answers", score);
  std::vector<std::string> names = names_of(facts);
  if (store.table().is_good(names, store.now()))
    return say(FilterVerdict::keep_going, {}, "its mail was good before", score);
  GreylistTable::Attempt attempt =
      store.table().attempt(names, message_.sender_domain, to_lower(*recipient_), store.now());
  if (attempt.passes)
    return say(FilterVerdict::keep_going, {},
               fmt::format("has come back, first seen {} s ago", attempt.seen_ago), score);
  return say(FilterVerdict::defer, greylisted(attempt.wait),
             fmt::format("greylisted (seen {} s ago, wait {} s)", attempt.seen_ago, attempt.wait),
             score);
}

// What was found goes to the judgement, whatever comes of it.
Opinion StrangersMember::say(FilterVerdict verdict, mail::Reply reply, const std::string& text,
                             const StrangerScore& score) {
  message_.waited += static_cast<std::uint32_t>((judge_.clock().mono() - begun_).count());
  ipc::FilterJudgement said;
  said.filter = name();
  said.stage = stage_;
  said.verdict = verdict;
  said.text = text.empty() ? reply.one_line() : text;
  if (reply.code == 0 && text.empty()) said.text.clear();
  said.text.resize(std::min(said.text.size(), ipc::kFilterJudgementTextMax));
  said.milliseconds = message_.waited;
  said.watch = judge_.watched();
  note_score(judge_.settings(), score, said);
  message_.judgement = std::move(said);
  if (verdict == FilterVerdict::keep_going) message_.passed = true;
  if (verdict != FilterVerdict::keep_going)
    log::Line(log::Level::info, "stranger_refused")
        .kv("id", facts_.id())
        .kv("client", facts_.session.client_address)
        .kv("to", recipient_.value_or(std::string()))
        .kv("stage", name_of(stage_))
        .kv("verdict", verdict == FilterVerdict::defer ? "greylist" : name_of(verdict))
        .kv("score", score.sum)
        .kv("points", points_text(score))
        .kv("reply", reply.one_line())
        .kv("watch", judge_.watched());
  if (judge_.watched() || verdict == FilterVerdict::keep_going) return {};
  Opinion out;
  out.verdict = verdict;
  out.reply = std::move(reply);
  return out;
}

// Mail that nobody looked at, as that to postmaster, speaks for nobody.
void StrangersMember::message_accepted() {
  SeenStore& store = judge_.store();
  for (const std::string& recipient : message_.written_to)
    store.table().wrote(message_.sender, recipient, store.now());
  if (!message_.passed || !look_ || !is_stranger()) return;
  store.table().delivered(names_of(look_->facts()), store.now());
}

void StrangersMember::abort() {
  recipient_.reset();
  opinion_.reset();
}

void StrangersMember::begin_message() {
  abort();
  message_ = {};
}

}  // namespace postwain::filter
