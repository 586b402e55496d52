#include "qmgr/store/postgres/session/pg_bags.h"

namespace postwain::qmgr {

BagList list_of_bags(std::uint64_t bags) {
  BagList list;
  for (std::int16_t bag = 0; bag < static_cast<std::int16_t>(mail::kBags); ++bag)
    if ((bags >> bag & 1) != 0) list.push_back(bag);
  return list;
}

}  // namespace postwain::qmgr
