// The content of one attempt when it is not in the lease: asked for when it is needed, then taken
// from what qmgr sends and from the file that it lends, a block at a time, so that a large message
// is never whole in memory. What goes before the file, the header section, shares its blocks with
// it, so nobody behind this sees where the one ends and the other begins. What the system has in
// memory is read at once; for the rest a read in the background is asked for, since a disk may take
// its time and other connections must not wait for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/agent/signing/content_form.h"
#include "common/base/file.h"
#include "common/base/result.h"

namespace postwain::agent {

class ContentFeed {
 public:
  static constexpr std::size_t kBlock = 64U << 10;

  // size: of the content as qmgr has it. changes: what becomes of it on its way, and outlives this;
  // nothing: it stays as it is.
  explicit ContentFeed(std::uint64_t size, const mail::FieldChanges* changes = nullptr)
      : size_(size), rules_{changes, false, false, false} {}
  // Its form from now on, and what goes in front of it; before anything was taken.
  void leave_as(const FormRules& rules, std::string front);
  // From the beginning, whatever was taken before.
  void start_again();

  // What there is to do before the next block can be taken.
  enum class Next : std::uint8_t {
    take,    // nothing
    ask,     // ask qmgr for the content; said once
    load,    // read() in the background, then loaded(); said once for each block
    wait,    // for one of these
    broken,  // the content is not what the lease said
    nothing  // all of it was taken
  };
  Next next();

  void give(std::string_view whole);  // all of it
  // What goes before the file, and the file.
  void give(std::string_view head, UniqueFd file);
  void fail() { broken_ = true; }
  void ask_again() { asked_ = false; }
  // For who reads it otherwise than by next(): true if qmgr has still to be asked, said once.
  bool begin_asking() { return !std::exchange(asked_, true); }
  bool was_given() const { return given_; }
  bool is_broken() const { return broken_; }
  // What goes before the file, or all of it where there is no file.
  const std::string& in_memory() const { return file_ ? head_ : whole_; }

  // Of the file, blocking; runs on another thread, and may outlive the feed.
  std::shared_ptr<const UniqueFd> file() const { return file_; }
  std::uint64_t offset() const { return taken_; }  // in the content, of the next block
  std::uint64_t offset_in_file() const { return taken_ - head_.size(); }
  static Result<std::string> read(const UniqueFd& file, std::uint64_t offset);
  void loaded(std::uint64_t offset, Result<std::string> block);

  struct Block {
    std::string_view bytes;  // until the next call
    bool last;
  };
  Block take();

 private:
  Next read_what_is_in_memory();
  std::size_t wanted() const;
  std::string_view rest_of_head() const;

  std::uint64_t size_;
  FormRules rules_;
  std::string front_;
  std::optional<ContentForm> form_;
  std::string formed_;  // of the block that was taken
  std::uint64_t taken_ = 0;
  bool asked_ = false;
  bool given_ = false;
  bool loading_ = false;
  bool all_taken_ = false;
  bool broken_ = false;
  std::shared_ptr<const UniqueFd> file_;
  std::string head_;   // before the file
  std::string whole_;  // where there is no file
  std::unique_ptr<char[]> buffer_;
  std::string loaded_;
  std::string_view block_;  // the next, if it is there
};

}  // namespace postwain::agent
