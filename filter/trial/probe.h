// What `postwain filter check` does to one filter or DNS list: asks it something harmless, by the
// code that asks it about mail, and tells what came of that.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "common/config/table/strangers.h"
#include "filter/chain_member.h"
#include "filter/shared.h"
#include "filter/strangers/list_port.h"

namespace postwain::filter {

class Probe {
 public:
  virtual ~Probe() = default;
  // The end of it: an object with "state", which is "failed" where mail could not be judged, and
  // what else was found. Nothing: it is not over; the owner is told when it is worth asking again.
  virtual std::optional<nlohmann::ordered_json> poll() = 0;
};

// Each begins at once; what it is given outlives it. facts: of a message that is made up.
//
// milter: it is negotiated with, and left; has_results as ipc::is_told() has it. policy service:
// one question at each of its stages, in the order in which they come. Rspamd: GET /ping, then a
// small message. list: the test of RFC 5782 5, of which no more than the label of the list is told.
std::unique_ptr<Probe> milter_probe(Shared& shared, const config::Filter& settings,
                                    bool has_results, MemberOwner& owner);
std::unique_ptr<Probe> policy_probe(Shared& shared, const config::Filter& settings,
                                    const SessionFacts& facts, MemberOwner& owner);
std::unique_ptr<Probe> rspamd_probe(Shared& shared, const config::Filter& settings,
                                    const SessionFacts& facts, MemberOwner& owner);
std::unique_ptr<Probe> list_probe(Shared& shared, const config::DnsList& list, ListPort& dns,
                                  MemberOwner& owner);

// The members "failure" and "reason" of one that failed.
nlohmann::ordered_json failed_probe(ipc::FilterFailure failure, const std::string& why);

}  // namespace postwain::filter
