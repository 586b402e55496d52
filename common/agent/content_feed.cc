#include "common/agent/content_feed.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/uio.h>
#include <unistd.h>

#include "common/base/check.h"

namespace postwain::agent {

void ContentFeed::start_again() {
  all_taken_ = false;
  taken_ = 0;
  block_ = whole_;
  form_.reset();
}

void ContentFeed::leave_as(const FormRules& rules, std::string front) {
  rules_ = rules;
  front_ = std::move(front);
}

ContentFeed::Next ContentFeed::next() {
  if (all_taken_) return Next::nothing;
  if (broken_) return Next::broken;
  if (!block_.empty() || size_ == 0) return Next::take;
  if (file_ && !loading_) return read_what_is_in_memory();
  return std::exchange(asked_, true) ? Next::wait : Next::ask;
}

std::size_t ContentFeed::wanted() const {
  return static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, size_ - taken_));
}

std::string_view ContentFeed::rest_of_head() const {
  return std::string_view(head_).substr(std::min<std::uint64_t>(taken_, head_.size()));
}

// Whatever keeps the system from answering at once, the background read finds out.
ContentFeed::Next ContentFeed::read_what_is_in_memory() {
  std::string_view head = rest_of_head();
  std::size_t all = wanted();
  block_ = head.substr(0, all);
  if (block_.size() == all) return Next::take;
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kBlock);
  iovec part{buffer_.get() + head.size(), all - head.size()};
  auto offset = static_cast<off_t>(taken_ + head.size() - head_.size());
  ssize_t count = ::preadv2(file_->get(), &part, 1, offset, RWF_NOWAIT);
  if (count > 0) {
    head.copy(buffer_.get(), head.size());
    block_ = std::string_view(buffer_.get(), head.size() + static_cast<std::size_t>(count));
  }
  if (!block_.empty()) return Next::take;
  loading_ = true;
  return Next::load;
}

void ContentFeed::give(std::string_view whole) {
  if (file_ || !block_.empty()) return;
  given_ = true;
  whole_ = whole;
  block_ = whole_;
  broken_ = whole_.size() != size_;
}

void ContentFeed::give(std::string_view head, UniqueFd file) {
  if (file_) return;
  given_ = true;
  head_ = head;
  broken_ = head_.size() > size_;
  file_ = std::make_shared<const UniqueFd>(std::move(file));
}

Result<std::string> ContentFeed::read(const UniqueFd& file, std::uint64_t offset) {
  std::string bytes(kBlock, '\0');
  for (;;) {
    ssize_t count = ::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read of content", errno);
    if (count == 0) return Error{"content ends too early", EIO};
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
  }
}

// It may have begun again meanwhile.
void ContentFeed::loaded(std::uint64_t offset, Result<std::string> block) {
  if (!std::exchange(loading_, false) || offset != taken_) return;
  broken_ = !block;
  if (broken_) return;
  loaded_ = block.take();
  block_ = std::string_view(loaded_).substr(0, wanted());
}

ContentFeed::Block ContentFeed::take() {
  PW_CHECK(!all_taken_ && (!block_.empty() || size_ == 0));
  Block out{std::exchange(block_, {}), false};
  taken_ += out.bytes.size();
  all_taken_ = out.last = taken_ == size_;
  if (rules_.changes_nothing() && front_.empty()) return out;
  formed_.clear();
  if (!form_) {
    form_.emplace(rules_);
    formed_ = front_;
  }
  form_->take(out.bytes, formed_);
  if (out.last) form_->finish(formed_);
  out.bytes = formed_;
  return out;
}

}  // namespace postwain::agent
