#include "qmgr/queue/piece_sweep.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

using SpareIds = std::unordered_set<mail::QueueId>;

struct SweepStep {
  std::size_t removed = 0;
  std::optional<PieceSweep::Place> next;
};

StoreResult<std::size_t> remove_some(QueueStore& store, mail::QueueId id) {
  StoreResult<std::size_t> removed = std::size_t{0};
  StoreStatus done = store.begin();
  if (done) removed = store.pieces()->remove_left(id);
  if (done && !removed) done = removed.error();
  if (done) done = store.commit();
  if (done) return removed;
  store.roll_back();
  return done.error();
}

// Looks at one page; what is found first is removed, and that is enough for one step.
StoreResult<SweepStep> sweep_page(QueueStore& store, PieceSweep::Place place, mail::QueueId last,
                                  const SpareIds& spared) {
  SweepStep step;
  auto page = store.pieces()->left(place.bag, place.after, last, kSweepPage);
  if (!page) return page.error();
  auto found = std::find_if(page->ids.begin(), page->ids.end(),
                            [&](mail::QueueId id) { return spared.count(id) == 0; });
  if (found != page->ids.end()) {
    auto removed = remove_some(store, *found);
    if (!removed) return removed.error();
    step.removed = *removed;
    bool is_all = *removed < kPiecesRemoved;
    step.next = {place.bag, is_all ? *found : mail::QueueId{found->value - 1}};
  } else if (page->seen) {
    step.next = {place.bag, *page->seen};
  } else if (place.bag + 1 < mail::kBags) {
    step.next = {place.bag + 1, {}};
  }
  return step;
}

// What collides with another transaction is left to the next round.
StoreResult<SweepStep> sweep_step(QueueStore& store, PieceSweep::Place place, mail::QueueId last,
                                  const SpareIds& spared) {
  if (store.pieces() == nullptr) return SweepStep();
  auto step = sweep_page(store, place, last, spared);
  if (!step && step.error().kind == StoreError::Kind::again) return SweepStep();
  return step;
}

}  // namespace

PieceSweep::PieceSweep(QueueCore& core, ContentAccess& content)
    : core_(core), content_(content), alarm_(core.clock.alarm()) {}

void PieceSweep::begin() {
  if (content_.shared() == nullptr) return;
  removed_ = 0;
  step({});
}

void PieceSweep::step(Place place) {
  if (core_.finishing) return;
  mail::QueueId last = mail::QueueId::first_of(core_.clock.wall() - kSweepAfter);
  read_then(
      core_.store,
      [place, last, spared = content_.shared()->under_way()](QueueStore& store) {
        return sweep_step(store, place, last, spared);
      },
      [this](const StoreResult<SweepStep>& done) {
        if (!done) return core_.hooks.on_broken(done.error());
        removed_ += done->removed;
        if (core_.finishing) return;
        if (done->next) return step(*done->next);
        if (removed_ > 0) log::Line(log::Level::info, "pieces_swept").kv("pieces", removed_);
        alarm_->start(kSweepAfter, [this] { begin(); });
      });
}

}  // namespace postwain::qmgr
