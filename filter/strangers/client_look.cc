#include "filter/strangers/client_look.h"

#include <algorithm>
#include <utility>

#include "filter/deciding/list_answer.h"

namespace postwain::filter {

namespace {

constexpr std::size_t kNamesTried = 5;  // of an address
// Of one session: a client may say as many hellos and senders as it likes.
constexpr std::size_t kQuestionsMax = 500;

using Name = StrangerFacts::Name;

// Whether anything hangs on the name of the address.
bool wants_name(const config::Strangers& settings) {
  const config::SignWeights& weights = settings.weights;
  bool by_name = std::any_of(settings.lists.begin(), settings.lists.end(),
                             [](const auto& list) { return list.by == config::ListKey::ptr; });
  return by_name || weights.no_name != 0 || weights.forged_name != 0 || weights.dynamic_name != 0 ||
         settings.greylists();
}

}  // namespace

struct ClientLook::Work {
  struct Question {
    std::string subject{};
    bool open = false;
    std::uint32_t number = 0;  // an answer to a former question is not taken for this one's
    MonoTime until{};
    ListVerdict verdict = ListVerdict::not_listed;
  };

  explicit Work(std::size_t lists) : questions(lists) {}

  StrangerFacts facts;
  std::vector<Question> questions;  // one for each list
  Question name;                    // of the address
  std::function<void()> on_change;  // empty: nobody listens any more
  std::size_t asked = 0;
  // While questions are being asked an answer may come at once, and its owner knows.
  int asking = 0;

  // Who is told may destroy the owner of this: the caller holds the work, and touches nothing else
  // afterwards.
  void changed() const {
    if (asking > 0 || !on_change) return;
    auto call = on_change;
    call();
  }
};

ClientLook::ClientLook(const Tools& tools, std::function<void()> on_change)
    : tools_(tools), work_(std::make_shared<Work>(tools.settings.lists.size())) {
  work_->on_change = std::move(on_change);
  alarm_ = tools.clock.alarm();
  tools.desk.watch(this, [work = std::weak_ptr<Work>(work_)] {
    if (auto alive = work.lock()) alive->changed();
  });
}

ClientLook::~ClientLook() {
  work_->on_change = nullptr;
  tools_.desk.forget(this);
}

void ClientLook::ask_lists(config::ListKey key, const std::string& subject) {
  ++work_->asking;
  for (std::size_t i = 0; i < work_->questions.size(); ++i) {
    if (tools_.settings.lists[i].by != key) continue;
    Work::Question& question = work_->questions[i];
    if (question.subject == subject) continue;
    std::uint32_t number = question.number + 1;
    question = {subject, true, number, tools_.clock.mono() + kListAnswerMax,
                ListVerdict::not_listed};
    bool asked = work_->asked++ < kQuestionsMax &&
                 tools_.desk.ask(i, subject, [work = work_, i, number](ListVerdict verdict) {
                   Work::Question& its = work->questions[i];
                   if (its.number != number || !its.open) return;
                   its.open = false;
                   its.verdict = verdict;
                   work->changed();
                 });
    if (!asked) question.open = false;
  }
  --work_->asking;
  arm();
}

void ClientLook::client(const std::string& address) {
  if (work_->facts.address == address) return;
  work_->facts.address = address;
  ask_lists(config::ListKey::address, address);
  if (!wants_name(tools_.settings)) return;
  work_->name = {address, true, work_->name.number + 1, tools_.clock.mono() + kListAnswerMax,
                 ListVerdict::not_listed};
  ++work_->asking;
  tools_.port.names(address, [this, work = work_](const dns::NameAnswer& answer) {
    if (!work->on_change || !work->name.open) return;
    if (answer.status == dns::AnswerStatus::temporary) return named(Name::unknown, {});
    if (answer.names.empty()) return named(Name::none, {});
    confirm(answer.names, 0);
  });
  --work_->asking;
  arm();
}

// One name after the other, since nearly always the first one is it.
void ClientLook::confirm(const std::vector<std::string>& names, std::size_t at) {
  if (at >= std::min(names.size(), kNamesTried)) return named(Name::forged, {});
  tools_.port.both(names[at], [this, work = work_, names, at](const dns::AddressAnswer& answer) {
    if (!work->on_change || !work->name.open) return;
    bool own = std::find(answer.addresses.begin(), answer.addresses.end(), work->facts.address) !=
               answer.addresses.end();
    if (own) return named(Name::confirmed, names[at]);
    if (answer.status == dns::AnswerStatus::temporary) return named(Name::unknown, {});
    confirm(names, at + 1);
  });
}

void ClientLook::named(Name state, const std::string& name) {
  work_->name.open = false;
  work_->facts.name_state = state;
  work_->facts.name = name;
  if (state == Name::confirmed) ask_lists(config::ListKey::ptr, name);
  auto work = work_;
  work->changed();
}

void ClientLook::helo(const std::string& name) {
  work_->facts.helo = name;
  ask_lists(config::ListKey::helo, name);
}

void ClientLook::sender(const std::string& domain) {
  ask_lists(config::ListKey::sender, domain);
}

bool ClientLook::pending() const {
  MonoTime now = tools_.clock.mono();
  auto open = [now](const Work::Question& one) { return one.open && now < one.until; };
  if (open(work_->name)) return true;
  for (std::size_t i = 0; i < work_->questions.size(); ++i) {
    const Work::Question& one = work_->questions[i];
    // It says so; whether that counts is known when its test is through.
    bool awaited = one.verdict == ListVerdict::listed && tools_.desk.is_awaited(i);
    if (open(one) || (awaited && now < one.until)) return true;
  }
  return false;
}

StrangerFacts ClientLook::facts() const {
  StrangerFacts out = work_->facts;
  for (std::size_t i = 0; i < work_->questions.size(); ++i) {
    const Work::Question& one = work_->questions[i];
    if (!one.open && one.verdict == ListVerdict::listed && tools_.desk.is_believed(i))
      out.listed.push_back(i);
  }
  return out;
}

const std::string& ClientLook::subject(std::size_t list) const {
  return work_->questions[list].subject;
}

// Wakes the session when the time of what it may wait for is over.
void ClientLook::arm() {
  MonoTime now = tools_.clock.mono();
  MonoTime next = MonoTime::max();
  auto look = [&](const Work::Question& one, bool waits) {
    if (waits && one.until > now) next = std::min(next, one.until);
  };
  look(work_->name, work_->name.open);
  for (std::size_t i = 0; i < work_->questions.size(); ++i)
    look(work_->questions[i], work_->questions[i].open || tools_.desk.is_awaited(i));
  if (next == MonoTime::max()) return alarm_->stop();
  alarm_->start(next - now, [this] {
    close_overdue();
    arm();
    auto work = work_;
    work->changed();
  });
}

void ClientLook::close_overdue() {
  MonoTime now = tools_.clock.mono();
  if (now >= work_->name.until) work_->name.open = false;
  for (std::size_t i = 0; i < work_->questions.size(); ++i) {
    Work::Question& one = work_->questions[i];
    if (!one.open || now < one.until) continue;
    one.open = false;
    tools_.desk.overdue(i);
  }
}

}  // namespace postwain::filter
