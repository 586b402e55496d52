// The DNS lists of the configuration: asks them, tests them, and knows which of them can be
// believed now. All sessions share it. The zones, which may hold a key, stay in here: whoever asks
// hears labels.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/config/table/strangers.h"
#include "common/ipc/list_state.h"
#include "filter/deciding/list_health.h"
#include "filter/strangers/list_port.h"

namespace postwain::filter {

constexpr Duration kListAnswerMax = std::chrono::seconds(5);  // then it counts as none
constexpr std::size_t kListQuestionsMax = 10'000;             // under way; beyond: no answer
constexpr std::uint32_t kSilencesToRest = 5;                  // in a row; then a test has to pass

class ListDesk {
 public:
  // All outlive it.
  ListDesk(Clock& clock, ListPort& port, const std::vector<config::DnsList>& lists);
  ~ListDesk();
  ListDesk(const ListDesk&) = delete;
  ListDesk& operator=(const ListDesk&) = delete;

  std::size_t size() const { return lists_.size(); }
  // Begins the tests, and goes on with them for ever.
  void start();

  // What the list says of an address or a name; done is called once, at once or later. What comes
  // after kListAnswerMax is no answer: who asked has stopped to wait, and says so by overdue().
  // False: there is nothing to ask it now.
  bool ask(std::size_t list, const std::string& subject, std::function<void(ListVerdict)> done);
  void overdue(std::size_t list);
  // Why it lists that; printable, empty: it does not say.
  void ask_reason(std::size_t list, const std::string& subject,
                  std::function<void(const std::string&)> done);

  // Whether its answers count now.
  bool is_believed(std::size_t list) const { return health_of(list).is_believed(); }
  // Whether that will be known soon.
  bool is_awaited(std::size_t list) const { return health_of(list).is_awaited(); }
  // Called whenever a list comes to be believed or not, until forgotten.
  void watch(const void* who, std::function<void()> changed);
  void forget(const void* who);

  // For qmgr: whether something has changed since the last report; how all lists are now, in their
  // order, and what they have answered since the report before.
  bool has_news() const;
  std::vector<ipc::ListState> report();

 private:
  struct Desk;
  const ListHealth& health_of(std::size_t list) const;

  const std::vector<config::DnsList>& lists_;
  std::shared_ptr<Desk> desk_;  // answers of the DNS may come after us
};

}  // namespace postwain::filter
