// The JSON of destinations and suspensions, and of what mail waits for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/base/time.h"
#include "common/mail/ability.h"

#include "qmgr/model/message.h"
#include "qmgr/model/wait.h"
#include "qmgr/scheduling/connection_ledger.h"
#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

// What the schedule knows of a destination.
nlohmann::ordered_json destination_json(const DestinationReport& report);
// Adds what a recipient waits for, until when and why.
void add_wait_members(nlohmann::ordered_json& out, const Wait& wait, WallTime now);

// suspension: null when there is none. reason: why the destination is left alone after failures.
// lacking: what its hosts were found unable to do. connections: open and waited for, where they
// are counted.
std::string json_destination(const DestinationReport& report, const Suspension* suspension,
                             const std::string& reason, const std::vector<mail::HostLacks>& lacking,
                             std::optional<ConnectionLedger::Count> connections);
// What an operator has suspended, until when; without a time: resumed.
std::string json_suspended(const std::string& name, const std::string& scope,
                           std::optional<WallTime> until);
// Where mail for an address goes, and why it waits there, if it does.
std::string json_way(std::string_view destination, const std::optional<Wait>& wait, WallTime now);

}  // namespace postwain::qmgr
