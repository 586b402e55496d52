// Parts of the queue that come and go while it works, where several nodes share it. A bag is open
// while its mail is taken into memory and lent, closed before it goes, and opened when it has come.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "qmgr/entering/put_back.h"
#include "qmgr/judging/judging.h"
#include "qmgr/queue/queue_totals.h"
#include "qmgr/queue/start.h"

namespace postwain::qmgr {

class BagDoors {
 public:
  BagDoors(QueueCore& core, Start& start, PutBack& put_back, Judging& judging, QueueTotals& totals)
      : core_(core), start_(start), put_back_(put_back), judging_(judging), totals_(totals) {}

  // Before anything is read: only these are ours, and open.
  void begin(std::uint64_t own);

  // Nothing of these is taken into memory any more, and what waits there leaves it. What is lent,
  // and what is being settled, stays until that has ended: is_used().
  void close(std::uint64_t bags);
  bool is_used(std::uint64_t bags) const;
  // Another node's, or about to be.
  bool is_elsewhere(mail::QueueId id) const { return id.is_in(core_.closed_bags); }
  // It was not given away after all.
  void open_again(std::uint64_t bags);
  // Closed ones have gone: they are not counted any more.
  void gone() { totals_.restart(); }

  // Ours from now on. names: attempts that their former owner may have made; they are in doubt
  // before anything of these bags is lent. former: his name, for the history.
  void open(std::uint64_t bags, std::vector<AttemptName> names, std::function<void()> done,
            std::string former = {});

 private:
  QueueCore& core_;
  Start& start_;
  PutBack& put_back_;
  Judging& judging_;
  QueueTotals& totals_;
};

}  // namespace postwain::qmgr
