// Asks the DNS for commands: many questions at once, of which only so many are on their way, and
// all of it within one span of time. What is not answered by then stays a temporary failure.
//
//     desk->text("example.org", [&](const dns::TextAnswer& answer) { … });
//     desk->evaluate(check);
//     desk->run();   // blocks; then more may be asked, for what is left of the time
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/authentication/dns_evaluation.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/dns/resolver.h"
#include "common/http/fetcher.h"
#include "common/net/loop.h"

namespace postwain::tool {

constexpr std::size_t kQuestionsAtOnce = 100;

class DnsDesk {
 public:
  template <class Answer>
  using Done = std::function<void(const Answer&)>;

  // servers and trust_ad: as of dns::Resolver. at_most: from now on, for all runs together.
  static Result<std::unique_ptr<DnsDesk>> open(const std::vector<std::string>& servers,
                                               bool trust_ad, Duration at_most);
  ~DnsDesk();
  // Reads the trust store now, for fetch(): before rights are given up that this may need.
  void prepare_fetching();
  DnsDesk(const DnsDesk&) = delete;
  DnsDesk& operator=(const DnsDesk&) = delete;

  // Each calls `done` from within run(), once, or never when the time is over. What `done` works on
  // has to live until run() returns.
  void text(const std::string& name, Done<dns::TextAnswer> done);
  void mail_hosts(const std::string& name, Done<dns::MxAnswer> done);
  void addresses(const std::string& name, Done<dns::AddressAnswer> done);
  void names(const std::string& address, Done<dns::NameAnswer> done);
  void certificates(const std::string& name, Done<dns::TlsaAnswer> done);  // TLSA
  void fetch(http::Request request, Done<Result<std::string>> done);
  // Is done() when run() has returned, whatever came.
  void evaluate(authentication::DnsEvaluation& evaluation);

  // Returns when everything is answered, or the time is over.
  void run();
  bool is_over() const { return over_; }

 private:
  using Job = std::function<void(std::function<void()> finished)>;
  // An evaluation with the numbers of its open questions.
  struct Running {
    authentication::DnsEvaluation* evaluation = nullptr;
    std::size_t asked = 0;
    std::set<std::size_t> open{};
  };

  explicit DnsDesk(Duration at_most) : at_most_(at_most), deadline_(loop_) {}
  void add(Job job);
  void pump();
  void ask_more(Running& running);
  void ask(Running& running, std::size_t number, const authentication::DnsQuestion& question);
  void give_up();

  net::Loop loop_;
  const Duration at_most_;
  net::Timer deadline_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::unique_ptr<http::Fetcher> fetcher_;
  std::deque<Job> waiting_;
  std::size_t on_their_way_ = 0;
  std::vector<std::unique_ptr<Running>> evaluations_;  // of this run
  bool pumping_ = false;
  bool over_ = false;
};

}  // namespace postwain::tool
