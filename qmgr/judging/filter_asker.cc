#include "qmgr/judging/filter_asker.h"

#include <algorithm>
#include <string>

#include "qmgr/verdicts/filters_asked.h"

namespace postwain::qmgr {

namespace {

using filtering::FilterFallback;

constexpr ipc::FilterKind kAskedKinds[] = {ipc::FilterKind::local, ipc::FilterKind::notices};

// A session that loses its filters is judged again, whatever this says (Judged::End::lost); it only
// has to be there.
std::map<std::string, FilterFallback> places() {
  std::map<std::string, FilterFallback> out;
  for (ipc::FilterKind kind : kAskedKinds) out.emplace(name_of(kind), FilterFallback::defer);
  return out;
}

}  // namespace

FilterAsker::FilterAsker(net::Loop& loop, Clock& clock, ContentAccess& content,
                         const config::Config& config, std::function<mail::QueueId()> next_id,
                         std::function<void()> on_up)
    : loop_(loop),
      clock_(clock),
      content_(content),
      config_(config),
      next_id_(std::move(next_id)),
      on_up_(std::move(on_up)),
      link_(loop, places()) {
  link_.watch([this] {
    bool was_up = std::exchange(was_up_, up());
    if (!was_up && was_up_) on_up_();
  });
}

FilterAsker::~FilterAsker() {
  loop_.forget_turn_end(this);
}

bool FilterAsker::is_needed() const {
  return std::any_of(std::begin(kAskedKinds), std::end(kAskedKinds),
                     [this](ipc::FilterKind kind) { return filters_asked(config_, kind); });
}

// A process of another configuration may not know of all of them.
bool FilterAsker::up() const {
  const filtering::FilterConnection* current = link_.current();
  if (current == nullptr) return false;
  return std::all_of(std::begin(kAskedKinds), std::end(kAskedKinds), [&](ipc::FilterKind kind) {
    return !filters_asked(config_, kind) || current->wants(std::string(name_of(kind))) != nullptr;
  });
}

config::FilterFailure FilterAsker::fallback(ipc::FilterKind kind) const {
  FilterFallback strictest = FilterFallback::accept;
  if (kind == ipc::FilterKind::local)
    for (const config::Filter& filter : config_.filters)
      if (filter.is_on(name_of(kind)))
        strictest = std::max(strictest, filtering::fallback_of(filter));
  for (const config::ContentRule& rule : config_.content_rules)
    if (config::is_on(rule.on, name_of(kind)) && rule.mode == config::FilterMode::enforce)
      strictest = std::max(strictest, FilterFallback::defer);
  switch (strictest) {
    case FilterFallback::none:
    case FilterFallback::accept:
      return config::FilterFailure::accept;
    case FilterFallback::hold:
      return config::FilterFailure::hold;
    case FilterFallback::defer:
      return config::FilterFailure::defer;
    case FilterFallback::refuse:
      return config::FilterFailure::refuse;
  }
  return config::FilterFailure::defer;
}

void FilterAsker::ask(std::shared_ptr<const UnjudgedMessage> message, Done done) {
  std::uint64_t number = ++last_;
  std::uint64_t size_max = config_.limits.message_size;
  JudgedSessionTerms terms{link_,
                           content_,
                           config_.hostname,
                           size_max > 0 ? size_max : UINT64_MAX,
                           filters_time(config_, filter_kind(message->message.info)),
                           next_id_()};
  auto session = std::make_unique<JudgedSession>(
      terms, std::move(message), clock_.alarm(),
      [this, number](Judged judged) { over(number, std::move(judged)); });
  JudgedSession& begun = *session;
  asked_[number] = {std::move(session), std::move(done)};
  begun.begin();
}

void FilterAsker::over(std::uint64_t number, Judged judged) {
  over_.emplace_back(number, std::move(judged));
  loop_.at_turn_end(this, [this] { tell(); });
}

void FilterAsker::tell() {
  for (auto& [number, judged] : std::exchange(over_, {})) {
    auto found = asked_.find(number);
    if (found == asked_.end()) continue;
    Asked asked = std::move(found->second);
    asked_.erase(found);
    asked.session.reset();
    asked.done(std::move(judged));
  }
}

void FilterAsker::stop() {
  over_.clear();
  asked_.clear();
}

}  // namespace postwain::qmgr
