// The tables of a keeper of which a test has none: whoever asks for one of them ends the test.
// Those that it has are overridden.
#pragma once

#include <stdexcept>

#include "qmgr/store/keeper_service.h"

namespace postwain::qmgr::test {

class NoTables : public KeeperTables {
 public:
  HistoryBlockTable& history_blocks() override { throw std::logic_error("no table of history"); }
  RequestTable& requests() override { throw std::logic_error("no table of requests"); }
  ClaimTable& claims() override { throw std::logic_error("no table of claims"); }
  PaceTable& paces() override { throw std::logic_error("no table of paces"); }
  BreakerTable& breakers() override { throw std::logic_error("no table of breakers"); }
};

}  // namespace postwain::qmgr::test
