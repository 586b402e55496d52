#include "common/agent/content_feed.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/ipc/messages.h"

namespace postwain::agent {

std::optional<ContentFeed::Request> ContentFeed::next_request() {
  if (under_way_ + held_.size() >= kReadAhead || requested_ == size_) return std::nullopt;
  auto length =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(ipc::kContentChunk, size_ - requested_));
  Request request{requested_, length};
  requested_ += length;
  ++under_way_;
  return request;
}

bool ContentFeed::arrived(std::uint64_t offset, std::string_view bytes) {
  std::uint64_t expected = std::min<std::uint64_t>(ipc::kContentChunk, size_ - received_);
  if (under_way_ == 0 || offset != received_ || bytes.size() != expected) return false;
  --under_way_;
  received_ += bytes.size();
  held_.emplace_back(bytes);
  return true;
}

ContentFeed::Chunk ContentFeed::take() {
  PW_CHECK(has_chunk());
  Chunk chunk{};
  if (!held_.empty()) {
    chunk.bytes = std::move(held_.front());
    held_.pop_front();
  }
  taken_ += chunk.bytes.size();
  all_taken_ = taken_ == size_;
  chunk.last = all_taken_;
  return chunk;
}

}  // namespace postwain::agent
