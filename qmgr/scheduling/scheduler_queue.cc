#include "qmgr/scheduling/scheduler_queue.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

constexpr std::uint32_t kCompactAt = 256;  // consumed places before the rest moves to the front

}  // namespace

std::size_t JobQueue::bin_of(std::uint32_t remaining) {
  if (remaining <= 1) return 0;
  if (remaining <= kBulkRecipients) return 1;
  return remaining <= 500 ? 2 : 3;
}

double JobQueue::score(const Job& job, WallTime now) {
  // One second more than waited, so that of two that came just now the smaller goes first.
  auto waited = std::max<std::int64_t>((now - job.waiting_since).count(), 0) + 1000;
  return static_cast<double>(waited) / static_cast<double>(job.remaining);
}

std::size_t JobQueue::best_bin(WallTime now) const {
  std::size_t best = kBins;
  double best_score = -1;
  for (std::size_t b = 0; b < kBins; ++b) {
    const Bin& bin = bins_[b];
    if (bin.front == bin.jobs.size()) continue;
    double s = score(bin.jobs[bin.front], now);
    if (s > best_score) {
      best_score = s;
      best = b;
    }
  }
  PW_CHECK(best < kBins);
  return best;
}

double JobQueue::best_score(WallTime now) const {
  const Bin& bin = bins_[best_bin(now)];
  return score(bin.jobs[bin.front], now);
}

void JobQueue::push(Job job) {
  if (job.remaining == 0) job.remaining = static_cast<std::uint32_t>(job.recipients.size());
  bins_[bin_of(job.remaining)].jobs.push_back(std::move(job));
  ++size_;
}

Job JobQueue::pop(WallTime now) {
  return pop_from(bins_[best_bin(now)]);
}

Job JobQueue::pop_oldest() {
  Bin* oldest = nullptr;
  auto head = [](const Bin& bin) { return bin.jobs[bin.front].waiting_since; };
  for (Bin& bin : bins_)
    if (bin.front < bin.jobs.size() && (oldest == nullptr || head(bin) < head(*oldest)))
      oldest = &bin;
  PW_CHECK(oldest != nullptr);
  return pop_from(*oldest);
}

Job JobQueue::pop_least(const std::function<std::uint64_t(const Job&)>& weight) {
  Bin* from = nullptr;
  std::size_t place = 0;
  std::uint64_t least = 0;
  for (Bin& bin : bins_)
    for (std::size_t i = bin.front; i < bin.jobs.size(); ++i) {
      std::uint64_t w = weight(bin.jobs[i]);
      const Job* best = from != nullptr ? &from->jobs[place] : nullptr;
      bool better = best == nullptr || w < least ||
                    (w == least && bin.jobs[i].waiting_since < best->waiting_since);
      if (!better) continue;
      from = &bin;
      place = i;
      least = w;
    }
  PW_CHECK(from != nullptr);
  auto begin = from->jobs.begin();
  std::rotate(begin + from->front, begin + static_cast<std::ptrdiff_t>(place),
              begin + static_cast<std::ptrdiff_t>(place) + 1);
  return pop_from(*from);
}

Job JobQueue::pop_from(Bin& bin) {
  Job job = std::move(bin.jobs[bin.front++]);
  --size_;
  if (bin.front == bin.jobs.size()) {
    bin.jobs.clear();
    bin.front = 0;
  } else if (bin.front >= kCompactAt && bin.front >= bin.jobs.size() - bin.front) {
    bin.jobs.erase(bin.jobs.begin(), bin.jobs.begin() + bin.front);
    bin.front = 0;
  }
  return job;
}

void JobQueue::take_if(const std::function<bool(const Job&)>& wanted, std::vector<Job>& taken) {
  for (Bin& bin : bins_) {
    std::vector<Job> kept;
    for (std::size_t i = bin.front; i < bin.jobs.size(); ++i) {
      Job& job = bin.jobs[i];
      if (!wanted(job)) {
        kept.push_back(std::move(job));
        continue;
      }
      taken.push_back(std::move(job));
      --size_;
    }
    bin.jobs = std::move(kept);
    bin.front = 0;
  }
}

void JobQueue::for_each(const std::function<void(const Job&)>& look) const {
  for (const Bin& bin : bins_)
    for (std::size_t i = bin.front; i < bin.jobs.size(); ++i) look(bin.jobs[i]);
}

}  // namespace postwain::qmgr
