#include "qmgr/history/attempt_journal.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::qmgr {

namespace {
constexpr std::size_t kFileBytes = kJournalSlots * 16UL;
}

Result<AttemptJournal> AttemptJournal::open(const std::string& path) {
  static_assert(sizeof(Slot) == 16);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(path, errno);
  // All blocks now: a hole that cannot be filled later would be a signal instead of an error.
  if (int code = ::posix_fallocate(fd.get(), 0, kFileBytes); code != 0)
    return system_error(path, code);
  if (::ftruncate(fd.get(), kFileBytes) != 0) return system_error(path, errno);
  void* memory = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return system_error(path, errno);
  AttemptJournal journal;
  journal.slots_ = static_cast<Slot*>(memory);
  journal.free_.reserve(kJournalSlots);
  for (std::uint32_t i = kJournalSlots; i-- > 0;) {
    const Slot& slot = journal.slots_[i];
    if (slot.id == 0) {
      journal.free_.push_back(i);
      continue;
    }
    // Two of one recipient: a doubt, and the attempt after it.
    auto [known, is_new] = journal.left_.emplace(Key{slot.id, slot.index}, i);
    if (is_new) continue;
    journal.slots_[known->second].notes |= slot.notes;
    journal.release(i);
  }
  // Looked at once; what is used of it comes back by itself.
  (void)::madvise(memory, kFileBytes, MADV_DONTNEED);
  return journal;
}

AttemptJournal::AttemptJournal(AttemptJournal&& other) noexcept
    : slots_(std::exchange(other.slots_, nullptr)),
      free_(std::move(other.free_)),
      left_(std::move(other.left_)) {}

AttemptJournal& AttemptJournal::operator=(AttemptJournal&& other) noexcept {
  std::swap(slots_, other.slots_);
  std::swap(free_, other.free_);
  std::swap(left_, other.left_);
  return *this;
}

AttemptJournal::~AttemptJournal() {
  if (slots_ != nullptr) ::munmap(slots_, kFileBytes);
}

std::uint32_t AttemptJournal::begin(mail::QueueId id, std::uint32_t index) {
  if (free_.empty()) return 0;
  std::uint32_t number = free_.back();
  free_.pop_back();
  slots_[number].index = index;
  slots_[number].notes = 0;
  std::atomic_thread_fence(std::memory_order_release);
  slots_[number].id = id.value;
  return number + 1;
}

void AttemptJournal::end(std::uint32_t ticket) {
  if (ticket > 0) release(ticket - 1);
}

void AttemptJournal::release(std::uint32_t slot) {
  slots_[slot].id = 0;
  free_.push_back(slot);
}

void AttemptJournal::doubt(std::uint32_t ticket) {
  if (ticket > 0) slots_[ticket - 1].notes |= kDoubt;
}

void AttemptJournal::delivered(std::uint32_t ticket, bool dsn_passed_on) {
  if (ticket > 0) slots_[ticket - 1].notes |= kDelivered | (dsn_passed_on ? kDsnPassedOn : 0U);
}

void AttemptJournal::sync(std::uint32_t ticket) const {
  if (ticket == 0) return;
  auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::size_t offset = (ticket - 1) * sizeof(Slot) / page * page;
  (void)::msync(reinterpret_cast<char*>(slots_) + offset, page, MS_SYNC);
}

std::vector<AttemptJournal::Leftover> AttemptJournal::leftovers() const {
  std::vector<Leftover> all;
  all.reserve(left_.size());
  for (const auto& [key, slot] : left_) {
    std::uint32_t notes = slots_[slot].notes;
    all.push_back({mail::QueueId{key.id}, key.index, (notes & kDoubt) != 0,
                   (notes & kDelivered) != 0, (notes & kDsnPassedOn) != 0});
  }
  std::sort(all.begin(), all.end(), [](const Leftover& a, const Leftover& b) {
    return std::pair(a.id.value, a.index) < std::pair(b.id.value, b.index);
  });
  return all;
}

void AttemptJournal::take_over(mail::QueueId id, std::uint32_t index) {
  if (left_.count(Key{id.value, index}) > 0) return;
  if (std::uint32_t ticket = begin(id, index); ticket > 0)
    left_.emplace(Key{id.value, index}, ticket - 1);
}

std::uint64_t AttemptJournal::left_bags() const {
  std::uint64_t bags = 0;
  for (const auto& [key, slot] : left_) bags |= std::uint64_t{1} << mail::QueueId{key.id}.bag();
  return bags;
}

std::uint32_t AttemptJournal::take_left(mail::QueueId id, std::uint32_t index) {
  auto found = left_.find(Key{id.value, index});
  if (found == left_.end()) return 0;
  std::uint32_t slot = found->second;
  left_.erase(found);
  return slot + 1;
}

}  // namespace postwain::qmgr
