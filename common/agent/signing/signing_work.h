// The work of signing one attempt, apart from the signer: a SigningPass and where its octets come
// from. What lies in memory is passed through at once. A file is read by another thread, some
// blocks at a time, so that neither the loop nor the files of other attempts wait for long.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/agent/signing/signing_pass.h"
#include "common/base/file.h"
#include "common/base/result.h"

namespace postwain::agent {

class SigningWork {
 public:
  static constexpr std::size_t kBlocksAtOnce = 16;

  // All of the content, which outlives the call alone.
  static SigningPass through(std::string_view content, const SigningFacts& facts,
                             std::shared_ptr<const KeyChoice> keys);

  // The content is head and the rest, up to size, in the file. changes: those of facts, which are
  // copied because the attempt may end while the thread is at work.
  SigningWork(std::string head, std::shared_ptr<const UniqueFd> file, std::uint64_t size,
              const SigningFacts& facts, std::shared_ptr<const KeyChoice> keys);
  SigningWork(const SigningWork&) = delete;
  SigningWork& operator=(const SigningWork&) = delete;

  // Reads on; blocks. True: the pass is done, or there is trouble().
  bool go_on();
  const Status& trouble() const { return trouble_; }
  SigningPass& pass() { return pass_; }

 private:
  bool take(std::string_view octets);

  mail::FieldChanges changes_;
  std::string head_;
  std::shared_ptr<const UniqueFd> file_;
  std::uint64_t size_;
  std::uint64_t taken_ = 0;
  SigningPass pass_;
  Status trouble_;
};

}  // namespace postwain::agent
