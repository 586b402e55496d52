// What the queue remembers of the clock, and due times a clock set back has moved out of reach.
#include <limits>

#include "common/base/sane_time.h"

#include "qmgr/store/sqlite/store.h"

namespace postwain::qmgr {

Result<StoredClock> Store::clock() {
  StoredClock clock;
  {
    Use use(sql(Sql::select_clock));
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::select_clock);
    if (step == Use::Step::row) clock.last_seen = sane_time(use.number());
  }
  Use use(sql(Sql::list_clock_gaps));
  use.number(std::numeric_limits<std::int64_t>::min()).number(2 * kClockGapsMax);
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_clock_gaps);
    if (step == Use::Step::done) return clock;
    WallTime at = sane_time(use.number());
    clock.gaps.push_back({at, Duration(use.number())});
  }
}

Status Store::put_clock(WallTime last_seen) {
  Use use(sql(Sql::put_clock));
  if (!use.number(to_unix_ms(last_seen)).done()) return error(Sql::put_clock);
  return {};
}

// The rows are few; so they are made like the list, whatever changed in it.
Status Store::put_clock_gaps(const std::vector<ClockGap>& gaps) {
  Result<StoredClock> stored = clock();
  if (!stored) return stored.error();
  for (const ClockGap& old : stored->gaps) {
    Use use(sql(Sql::remove_clock_gap));
    if (!use.number(to_unix_ms(old.at)).done()) return error(Sql::remove_clock_gap);
  }
  for (const ClockGap& gap : gaps) {
    Use use(sql(Sql::put_clock_gap));
    if (!use.number(to_unix_ms(gap.at)).number(gap.length.count()).done())
      return error(Sql::put_clock_gap);
  }
  return {};
}

Result<std::int64_t> Store::set_back(const std::string& destination, WallTime now, Duration by,
                                     WallTime latest) {
  Use use(sql(Sql::set_back));
  use.text(destination).number(to_unix_ms(now)).number(by.count()).number(to_unix_ms(latest));
  if (!use.done()) return error(Sql::set_back);
  return std::int64_t{db_.changes()};
}

}  // namespace postwain::qmgr
