// The check of clients that nobody here knows ([strangers], [[dns_list]]): asks DNS lists and looks
// for signs, adds up, and refuses or puts off at RCPT. It comes before all filters. It does not
// judge clients that may relay, submission, and mail to postmaster; it only notes whom our users
// write to.
#pragma once

#include <memory>
#include <string>

#include "filter/judge.h"
#include "filter/strangers/client_look.h"
#include "filter/strangers/list_desk.h"
#include "filter/strangers/seen_store.h"

namespace postwain::filter {

class StrangersJudge final : public Judge {
 public:
  // The clock outlives it.
  StrangersJudge(Clock& clock, std::unique_ptr<ListPort> port, config::Strangers settings,
                 std::string our_name, SeenFiles files);

  bool is_on(std::string_view listener, ipc::FilterKind kind) const override;
  std::uint32_t awaited_stages() const override;
  bool wants_body() const override { return false; }
  std::unique_ptr<ChainMember> make_member(Shared& shared, const SessionFacts& facts,
                                           MemberOwner& owner) override;

  // With its lists.
  bool has_news() const override { return Judge::has_news() || desk_.has_news(); }
  void report_to(ipc::FilterReport& out) override;

  // Begins to test the lists and to keep what is seen.
  void start();
  void save() { store_.save(); }

  const config::Strangers& settings() const { return settings_; }
  const std::string& our_name() const { return our_name_; }
  Clock& clock() { return clock_; }
  SeenStore& store() { return store_; }
  ListDesk& desk() { return desk_; }
  ClientLook::Tools tools() { return {clock_, *port_, desk_, settings_}; }

 private:
  Clock& clock_;
  std::unique_ptr<ListPort> port_;
  config::Strangers settings_;
  std::string our_name_;
  SeenStore store_;
  ListDesk desk_;
};

}  // namespace postwain::filter
