#include "postwain/dns_check/dns_desk.h"

#include <utility>

namespace postwain::tool {

using authentication::Ask;
using authentication::DnsAnswer;
using authentication::DnsQuestion;

Result<std::unique_ptr<DnsDesk>> DnsDesk::open(const std::vector<std::string>& servers,
                                               bool trust_ad, Duration at_most) {
  std::unique_ptr<DnsDesk> desk(new DnsDesk(at_most));
  auto resolver = dns::Resolver::create(desk->loop_, servers, trust_ad);
  if (!resolver) return resolver.error();
  desk->resolver_ = resolver.take();
  desk->deadline_.start(at_most, [raw = desk.get()] {
    raw->over_ = true;
    raw->loop_.stop();
  });
  return desk;
}

DnsDesk::~DnsDesk() = default;

void DnsDesk::prepare_fetching() {
  if (!fetcher_) fetcher_ = http::new_fetcher(loop_);
}

void DnsDesk::add(Job job) {
  if (!over_) waiting_.push_back(std::move(job));
}

void DnsDesk::text(const std::string& name, Done<dns::TextAnswer> done) {
  add([this, name, done = std::move(done)](const std::function<void()>& finished) {
    resolver_->lookup_text(name, [done, finished](const dns::TextAnswer& answer) {
      done(answer);
      finished();
    });
  });
}

void DnsDesk::mail_hosts(const std::string& name, Done<dns::MxAnswer> done) {
  add([this, name, done = std::move(done)](const std::function<void()>& finished) {
    resolver_->lookup_mx(name, [done, finished](const dns::MxAnswer& answer) {
      done(answer);
      finished();
    });
  });
}

void DnsDesk::addresses(const std::string& name, Done<dns::AddressAnswer> done) {
  add([this, name, done = std::move(done)](const std::function<void()>& finished) {
    resolver_->lookup_addresses(name, [done, finished](const dns::AddressAnswer& answer) {
      done(answer);
      finished();
    });
  });
}

void DnsDesk::names(const std::string& address, Done<dns::NameAnswer> done) {
  add([this, address, done = std::move(done)](const std::function<void()>& finished) {
    resolver_->lookup_names(address, [done, finished](const dns::NameAnswer& answer) {
      done(answer);
      finished();
    });
  });
}

void DnsDesk::certificates(const std::string& name, Done<dns::TlsaAnswer> done) {
  add([this, name, done = std::move(done)](const std::function<void()>& finished) {
    resolver_->lookup_tlsa(name, [done, finished](const dns::TlsaAnswer& answer) {
      done(answer);
      finished();
    });
  });
}

void DnsDesk::fetch(http::Request request, Done<Result<std::string>> done) {
  add([this, request = std::move(request),
       done = std::move(done)](const std::function<void()>& finished) {
    prepare_fetching();
    fetcher_->fetch(request, [done, finished](const Result<std::string>& text) {
      done(text);
      finished();
    });
  });
}

void DnsDesk::evaluate(authentication::DnsEvaluation& evaluation) {
  evaluations_.push_back(std::make_unique<Running>(Running{&evaluation}));
  ask_more(*evaluations_.back());
}

void DnsDesk::ask_more(Running& running) {
  for (const DnsQuestion& question : running.evaluation->take_questions()) {
    std::size_t number = running.asked++;
    running.open.insert(number);
    ask(running, number, question);
  }
}

// The resolver answers with both families; of a name without the wanted one, it has no data.
void DnsDesk::ask(Running& running, std::size_t number, const DnsQuestion& question) {
  auto answered = [this, &running, number](DnsAnswer answer) {
    running.open.erase(number);
    running.evaluation->answer(number, answer);
    ask_more(running);
  };
  auto of_family = [answered](bool ipv6) {
    return [answered, ipv6](const dns::AddressAnswer& answer) {
      DnsAnswer out{answer.status};
      for (const std::string& address : answer.addresses)
        if ((address.find(':') != std::string::npos) == ipv6) out.values.push_back(address);
      if (out.status == dns::AnswerStatus::ok && out.values.empty())
        out.status = dns::AnswerStatus::no_data;
      answered(std::move(out));
    };
  };
  switch (question.ask) {
    case Ask::text:
      return text(question.name, [answered](const dns::TextAnswer& answer) {
        answered({answer.status, answer.texts, {}});
      });
    case Ask::ipv4:
      return addresses(question.name, of_family(false));
    case Ask::ipv6:
      return addresses(question.name, of_family(true));
    case Ask::mx:
      return mail_hosts(question.name, [answered](const dns::MxAnswer& answer) {
        answered({answer.status, {}, answer.records});
      });
    case Ask::names:
      return names(question.name, [answered](const dns::NameAnswer& answer) {
        answered({answer.status, answer.names, {}});
      });
  }
}

// An answer that is known at once comes while its question is asked: nothing is called into itself.
void DnsDesk::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (on_their_way_ < kQuestionsAtOnce && !waiting_.empty()) {
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    ++on_their_way_;
    job([this] {
      --on_their_way_;
      pump();
    });
  }
  pumping_ = false;
  if (on_their_way_ == 0) loop_.stop();
}

void DnsDesk::run() {
  if (!over_) pump();
  // A stop that came before the loop ran would end its first turn.
  while (!over_ && on_their_way_ > 0) loop_.run();
  give_up();
  evaluations_.clear();
}

// What is open, and what is asked from now on, is a temporary failure.
void DnsDesk::give_up() {
  waiting_.clear();
  for (const std::unique_ptr<Running>& running : evaluations_) {
    bool more = true;
    while (more && !running->evaluation->done()) {
      for (std::size_t number : std::exchange(running->open, {}))
        running->evaluation->answer(number, {});
      std::size_t questions = running->evaluation->take_questions().size();
      more = questions > 0;
      for (; questions > 0; --questions) running->open.insert(running->asked++);
    }
  }
}

}  // namespace postwain::tool
