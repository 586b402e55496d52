// What the DNS says of one client: asked beside its session as soon as a question is known, waited
// for where the answer counts, and not longer than kListAnswerMax for each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "filter/deciding/stranger_score.h"
#include "filter/strangers/list_desk.h"

namespace postwain::filter {

class ClientLook {
 public:
  struct Tools {
    Clock& clock;
    ListPort& port;
    ListDesk& desk;
    const config::Strangers& settings;
  };
  // on_change: an answer has come, or its time is over. Never from within a function of this.
  ClientLook(const Tools& tools, std::function<void()> on_change);
  ~ClientLook();
  ClientLook(const ClientLook&) = delete;
  ClientLook& operator=(const ClientLook&) = delete;

  void client(const std::string& address);
  void helo(const std::string& name);
  void sender(const std::string& domain);

  bool pending() const;
  // What is known by now; listed: with the lists that are believed now.
  StrangerFacts facts() const;
  // What the list was asked about.
  const std::string& subject(std::size_t list) const;

 private:
  struct Work;

  void ask_lists(config::ListKey key, const std::string& subject);
  void confirm(const std::vector<std::string>& names, std::size_t at);
  void named(StrangerFacts::Name state, const std::string& name);
  void arm();
  void close_overdue();

  Tools tools_;
  std::unique_ptr<Alarm> alarm_;
  std::shared_ptr<Work> work_;  // answers may come after us
};

}  // namespace postwain::filter
