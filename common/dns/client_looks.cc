#include "common/dns/client_looks.h"

#include <algorithm>
#include <array>

namespace postwain::dns {

namespace {

enum Look : std::size_t { kClient, kHello, kSender, kQuestions };

Looked found_by(AnswerStatus status) {
  switch (status) {
    case AnswerStatus::ok:
      return Looked::good;
    case AnswerStatus::no_such_name:
    case AnswerStatus::no_data:
      return Looked::bad;
    case AnswerStatus::temporary:
      break;
  }
  return Looked::trouble;
}

}  // namespace

struct ClientLooks::Work {
  Work(net::Loop& loop, Resolver& r) : resolver(r), timer(loop) {}

  Resolver& resolver;
  net::Timer timer;
  bool gone = false;  // nobody listens any more
  ClientFacts facts;
  // Counts what was asked, so that an answer to a former question is not taken for this one's.
  std::array<std::uint32_t, kQuestions> asked{};
  std::array<bool, kQuestions> open{};
  std::function<void()> done;

  Looked& fact(std::size_t question) {
    return question == kClient ? facts.client : question == kHello ? facts.hello : facts.sender;
  }
  bool pending() const {
    return std::any_of(open.begin(), open.end(), [](bool one) { return one; });
  }
  std::uint32_t begin(std::size_t question) {
    open[question] = true;
    fact(question) = Looked::unasked;
    return ++asked[question];
  }
  void finish() {
    if (pending()) return;
    timer.stop();
    if (auto call = std::exchange(done, nullptr)) call();
  }
};

ClientLooks::ClientLooks(net::Loop& loop, Resolver& resolver)
    : work_(std::make_shared<Work>(loop, resolver)) {}

ClientLooks::~ClientLooks() {
  work_->gone = true;
  work_->timer.stop();
  work_->done = nullptr;
}

const ClientFacts& ClientLooks::facts() const {
  return work_->facts;
}

bool ClientLooks::pending() const {
  return work_->pending();
}

void ClientLooks::answered(const std::shared_ptr<Work>& work, std::size_t question, Looked found) {
  if (work->gone || !work->open[question]) return;
  work->open[question] = false;
  work->fact(question) = found;
  work->finish();
}

void ClientLooks::client(const std::string& address) {
  std::uint32_t number = work_->begin(kClient);
  work_->facts.name.clear();
  auto names_found = [work = work_, address, number](const NameAnswer& answer) {
    if (work->gone || work->asked[kClient] != number) return;
    if (answer.status != AnswerStatus::ok || answer.names.empty())
      return answered(work, kClient,
                      answer.status == AnswerStatus::ok ? Looked::bad : found_by(answer.status));
    confirm(work, answer.names, address);
  };
  work_->resolver.lookup_names(address, names_found);
}

// One name after the other, since nearly always the first one is it.
void ClientLooks::confirm(const std::shared_ptr<Work>& work, std::vector<std::string> names,
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
        if (own) return answered(work, kClient, Looked::good);
        if (answer.status == AnswerStatus::temporary)
          return answered(work, kClient, Looked::trouble);
        if (names.empty()) return answered(work, kClient, Looked::bad);
        confirm(work, names, address);
      });
}

void ClientLooks::told(Looked client, const std::string& name) {
  ++work_->asked[kClient];
  work_->open[kClient] = false;
  work_->facts.client = client;
  work_->facts.name = name;
}

void ClientLooks::hello(const std::string& name) {
  std::uint32_t number = work_->begin(kHello);
  work_->resolver.lookup_addresses(name, [work = work_, name, number](const AddressAnswer& answer) {
    if (work->gone || work->asked[kHello] != number) return;
    if (found_by(answer.status) != Looked::bad)
      return answered(work, kHello, found_by(answer.status));
    work->resolver.lookup_mx(name, [work, number](const MxAnswer& mx) {
      if (!work->gone && work->asked[kHello] == number) answered(work, kHello, found_by(mx.status));
    });
  });
}

void ClientLooks::sender(const std::string& domain) {
  std::uint32_t number = work_->begin(kSender);
  work_->resolver.lookup_mx(domain, [work = work_, domain, number](const MxAnswer& mx) {
    if (work->gone || work->asked[kSender] != number) return;
    bool null_mx = mx.records.size() == 1 && mx.records.front().host.empty();
    if (null_mx) return answered(work, kSender, Looked::null_mx);
    if (mx.status != AnswerStatus::no_data) return answered(work, kSender, found_by(mx.status));
    // RFC 5321 5.1: without MX the domain's own address serves.
    work->resolver.lookup_addresses(domain, [work, number](const AddressAnswer& answer) {
      if (!work->gone && work->asked[kSender] == number)
        answered(work, kSender, found_by(answer.status));
    });
  });
}

void ClientLooks::forget_hello() {
  ++work_->asked[kHello];
  work_->open[kHello] = false;
  work_->facts.hello = Looked::unasked;
}

void ClientLooks::forget_sender() {
  ++work_->asked[kSender];
  work_->open[kSender] = false;
  work_->facts.sender = Looked::unasked;
}

void ClientLooks::when_known(std::function<void()> done) {
  work_->done = std::move(done);
  work_->timer.start(kDnsLookMax, [work = work_.get()] {
    for (std::size_t question = 0; question < kQuestions; ++question) {
      if (!work->open[question]) continue;
      work->open[question] = false;
      ++work->asked[question];
      work->fact(question) = Looked::trouble;
    }
    work->finish();
  });
}

}  // namespace postwain::dns
