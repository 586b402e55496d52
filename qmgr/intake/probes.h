// Recipient validation by asking the next hop (recipients = "probe"): what is known is told at
// once, else the next hop is asked through the delivery agents, by MAIL and RCPT without content.
// Nobody is accepted unasked, so no bounce for an unknown recipient can arise from a stranger's
// mail.
//
// Bounded: kProbesAtOnce questions on their way; one for each recipient, however many clients wait.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/config/config_fwd.h"
#include "common/ipc/messages.h"
#include "common/net/loop.h"

#include "qmgr/dispatch/delivery.h"
#include "qmgr/intake/recipient_cache.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

constexpr std::size_t kProbesAtOnce = 200;
constexpr std::size_t kProbeWaitersMax = 1000;  // clients, of one recipient
constexpr Duration kProbeAnswerMax = std::chrono::seconds(30);
// A probe is sent again while no delivery client is connected, as for a moment at each reload, and
// when a client that ends gives it back: so many times at most, after a pause of so long each time.
constexpr std::uint32_t kProbeRetriesMax = 30;
constexpr Duration kProbeRetryPause = std::chrono::milliseconds(100);
constexpr std::size_t kChecksOfOneRead = 1000;

class Probes {
 public:
  using Done = std::function<void(ipc::ProbeVerdict, const mail::Reply&)>;

  Probes(net::Loop& loop, Queue& queue, Delivery& delivery, const config::Config& config);
  void configure(const config::Config& config);
  // Reads what former processes learned.
  void recover();
  // done is called once, perhaps before this returns.
  void ask(const mail::Address& recipient, Done done);
  // Of a real delivery.
  void record(const mail::Address& recipient, const mail::Outcome& outcome);

 private:
  struct Running {
    std::vector<Done> waiting;
    std::unique_ptr<net::Timer> timer;
    std::unique_ptr<net::Timer> retry_timer;
    std::uint32_t retries = 0;
  };
  void read_checks(std::string after);
  void start(const std::string& key, const mail::Address& recipient);
  bool send(const std::string& key, const mail::Address& recipient);
  void retry_later(const std::string& key, const mail::Address& recipient);
  void cannot_ask(const std::string& key);
  void answered(const std::string& key, const mail::Address& recipient,
                const mail::Outcome& outcome);
  void keep(RecipientCheck check);
  static void notify(std::vector<Done> waiting, const RecipientCheck* check);

  net::Loop& loop_;
  Queue& queue_;
  Delivery& delivery_;
  RecipientCache cache_;
  std::unordered_set<std::string> domains_;  // that are probed: "example.org", ".example.org"
  std::map<std::string, Running> running_;
};

}  // namespace postwain::qmgr
