#include "filter/body_store.h"

#include <algorithm>

namespace postwain::filter {

BodyStore::~BodyStore() {
  give_memory_back();
  for (std::uint32_t block : blocks_) room_.file.give_back(block);
}

void BodyStore::give_memory_back() {
  room_.in_memory -= memory_.size();
  std::string().swap(memory_);
}

Status BodyStore::append(std::string_view octets) {
  bool fits = blocks_.empty() && size_ + octets.size() <= kBodyInMemoryMax &&
              room_.in_memory + octets.size() <= kBodiesInMemoryMax;
  if (fits) {
    memory_ += octets;
    room_.in_memory += octets.size();
    size_ += octets.size();
    return {};
  }
  if (!memory_.empty()) {
    size_ = 0;
    Status moved = append_to_file(memory_);
    give_memory_back();
    if (!moved) return moved;
  }
  return append_to_file(octets);
}

Status BodyStore::append_to_file(std::string_view octets) {
  while (!octets.empty()) {
    std::size_t at = static_cast<std::size_t>(size_ % ScratchFile::kBlock);
    if (at == 0) {
      Result<std::uint32_t> block = room_.file.take();
      if (!block) return block.error();
      blocks_.push_back(*block);
    }
    std::string_view piece = octets.substr(0, ScratchFile::kBlock - at);
    if (Status written = room_.file.write(blocks_.back(), at, piece); !written) return written;
    octets.remove_prefix(piece.size());
    size_ += piece.size();
  }
  return {};
}

Result<std::string> BodyStore::read(std::uint64_t from, std::size_t most) const {
  std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(most, size_ - from));
  if (blocks_.empty()) return memory_.substr(static_cast<std::size_t>(from), wanted);
  std::size_t at = static_cast<std::size_t>(from % ScratchFile::kBlock);
  std::uint32_t block = blocks_[static_cast<std::size_t>(from / ScratchFile::kBlock)];
  return room_.file.read(block, at, std::min(wanted, ScratchFile::kBlock - at));
}

}  // namespace postwain::filter
