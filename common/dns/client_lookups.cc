#include "common/dns/client_lookups.h"

#include <algorithm>
#include <array>

namespace postwain::dns {

namespace {

enum Look : std::size_t { kClient, kHello, kSender, kQuestions };

LookupState found_by(AnswerStatus status) {
  switch (status) {
    case AnswerStatus::ok:
      return LookupState::good;
    case AnswerStatus::no_such_name:
    case AnswerStatus::no_data:
      return LookupState::bad;
    case AnswerStatus::temporary:
      break;
  }
  return LookupState::trouble;
}

}  // namespace

struct ClientLookups::Work {
  Work(net::Loop& loop, Resolver& r) : resolver(r), timer(loop) {}

  Resolver& resolver;
  net::Timer timer;
  bool gone = false;  // nobody listens any more
  ClientFacts facts;
  // Counts what was asked, so that an answer to a former question is not taken for this one's.
  std::array<std::uint32_t, kQuestions> asked{};
  std::array<bool, kQuestions> open{};
  std::function<void()> done;

  LookupState& fact(std::size_t question) {
    return question == kClient ? facts.client : question == kHello ? facts.hello : facts.sender;
  }
  bool pending() const {
    return std::any_of(open.begin(), open.end(), [](bool one) { return one; });
  }
  std::uint32_t begin(std::size_t question) {
    open[question] = true;
    fact(question) = LookupState::unasked;
    return ++asked[question];
  }
  void finish() {
    if (pending()) return;
    timer.stop();
    if (auto call = std::exchange(done, nullptr)) call();
  }
};

ClientLookups::ClientLookups(net::Loop& loop, Resolver& resolver)
    : work_(std::make_shared<Work>(loop, resolver)) {}

ClientLookups::~ClientLookups() {
  work_->gone = true;
  work_->timer.stop();
  work_->done = nullptr;
}

const ClientFacts& ClientLookups::facts() const {
  return work_->facts;
}

bool ClientLookups::pending() const {
  return work_->pending();
}

void ClientLookups::answered(const std::shared_ptr<Work>& work, std::size_t question,
                             LookupState found) {
  if (work->gone || !work->open[question]) return;
  work->open[question] = false;
  work->fact(question) = found;
  work->finish();
}

void ClientLookups::client(const std::string& address) {
  std::uint32_t number = work_->begin(kClient);
  work_->facts.name.clear();
  work_->facts.reverse_name.clear();
  auto names_found = [work = work_, address, number](const NameAnswer& answer) {
    if (work->gone || work->asked[kClient] != number) return;
    if (answer.status != AnswerStatus::ok || answer.names.empty())
      return answered(
          work, kClient,
          answer.status == AnswerStatus::ok ? LookupState::bad : found_by(answer.status));
    work->facts.reverse_name = answer.names.front();
    confirm(work, answer.names, address);
  };
  work_->resolver.lookup_names(address, names_found);
}

// One name after the other, since nearly always the first one is it.
void ClientLookups::confirm(const std::shared_ptr<Work>& work, std::vector<std::string> names,
                            const std::string& address) {
  if (names.size() > kConfirmedNamesMax) names.resize(kConfirmedNamesMax);
  std::string name = names.front();
  names.erase(names.begin());
  std::uint32_t number = work->asked[kClient];
  work->resolver.lookup_addresses(
      name, [work, name, names, address, number](const AddressAnswer& answer) {
        if (work->gone || work->asked[kClient] != number) return;
        bool own = std::any_of(answer.addresses.begin(), answer.addresses.end(),
                               [&](const std::string& one) { return one == address; });
        if (own) work->facts.name = name;
        if (own) return answered(work, kClient, LookupState::good);
        if (answer.status == AnswerStatus::temporary)
          return answered(work, kClient, LookupState::trouble);
        if (names.empty()) return answered(work, kClient, LookupState::bad);
        confirm(work, names, address);
      });
}

void ClientLookups::told(LookupState client, const std::string& name) {
  ++work_->asked[kClient];
  work_->open[kClient] = false;
  work_->facts.client = client;
  work_->facts.name = name;
  work_->facts.reverse_name = name;
}

void ClientLookups::hello(const std::string& name) {
  std::uint32_t number = work_->begin(kHello);
  work_->resolver.lookup_addresses(name, [work = work_, name, number](const AddressAnswer& answer) {
    if (work->gone || work->asked[kHello] != number) return;
    if (found_by(answer.status) != LookupState::bad)
      return answered(work, kHello, found_by(answer.status));
    work->resolver.lookup_mx(name, [work, number](const MxAnswer& mx) {
      if (!work->gone && work->asked[kHello] == number) answered(work, kHello, found_by(mx.status));
    });
  });
}

void ClientLookups::sender(const std::string& domain) {
  std::uint32_t number = work_->begin(kSender);
  work_->resolver.lookup_mx(domain, [work = work_, domain, number](const MxAnswer& mx) {
    if (work->gone || work->asked[kSender] != number) return;
    bool null_mx = mx.records.size() == 1 && mx.records.front().host.empty();
    if (null_mx) return answered(work, kSender, LookupState::null_mx);
    if (mx.status != AnswerStatus::no_data) return answered(work, kSender, found_by(mx.status));
    // RFC 5321 5.1: without MX the domain's own address serves.
    work->resolver.lookup_addresses(domain, [work, number](const AddressAnswer& answer) {
      if (!work->gone && work->asked[kSender] == number)
        answered(work, kSender, found_by(answer.status));
    });
  });
}

void ClientLookups::forget_hello() {
  ++work_->asked[kHello];
  work_->open[kHello] = false;
  work_->facts.hello = LookupState::unasked;
}

void ClientLookups::forget_sender() {
  ++work_->asked[kSender];
  work_->open[kSender] = false;
  work_->facts.sender = LookupState::unasked;
}

void ClientLookups::when_known(std::function<void()> done) {
  work_->done = std::move(done);
  work_->timer.start(kDnsLookMax, [work = work_.get()] {
    for (std::size_t question = 0; question < kQuestions; ++question) {
      if (!work->open[question]) continue;
      work->open[question] = false;
      ++work->asked[question];
      work->fact(question) = LookupState::trouble;
    }
    work->finish();
  });
}

}  // namespace postwain::dns
