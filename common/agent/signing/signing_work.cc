#include "common/agent/signing/signing_work.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "common/agent/content_feed.h"

namespace postwain::agent {

namespace {

SigningFacts with_changes(SigningFacts facts, const mail::FieldChanges& changes) {
  if (facts.changes != nullptr) facts.changes = &changes;
  return facts;
}

}  // namespace

SigningPass SigningWork::through(std::string_view content, const SigningFacts& facts,
                                 std::shared_ptr<const KeyChoice> keys) {
  SigningPass pass(facts, std::move(keys), true);
  SigningPass::Next next = SigningPass::Next::again;
  while (next == SigningPass::Next::again) {
    next = pass.take(content);
    if (next == SigningPass::Next::more) next = pass.finish();
  }
  return pass;
}

SigningWork::SigningWork(std::string head, std::shared_ptr<const UniqueFd> file, std::uint64_t size,
                         const SigningFacts& facts, std::shared_ptr<const KeyChoice> keys)
    : changes_(facts.changes != nullptr ? *facts.changes : mail::FieldChanges{}),
      head_(std::move(head)),
      file_(std::move(file)),
      size_(size),
      pass_(with_changes(facts, changes_), std::move(keys), false) {}

bool SigningWork::go_on() {
  for (std::size_t block = 0; block < kBlocksAtOnce; ++block) {
    std::uint64_t left = size_ - taken_;
    if (taken_ < head_.size()) {
      if (take(head_)) return true;
      continue;
    }
    if (left == 0) return take({});
    Result<std::string> read = ContentFeed::read(*file_, taken_ - head_.size());
    if (!read) {
      trouble_ = read.error();
      return true;
    }
    std::string_view octets = *read;
    if (take(octets.substr(0,
                           static_cast<std::size_t>(std::min<std::uint64_t>(left, octets.size())))))
      return true;
  }
  return false;
}

// Empty: nothing follows.
bool SigningWork::take(std::string_view octets) {
  SigningPass::Next next = octets.empty() ? pass_.finish() : pass_.take(octets);
  taken_ += octets.size();
  if (next == SigningPass::Next::again) taken_ = 0;
  return next == SigningPass::Next::done;
}

}  // namespace postwain::agent
