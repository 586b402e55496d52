// What filters have changed of a message so far: its header section as the next filter is shown
// it, sender and recipients. Each filter's changes come in all together or not at all. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/content/header_edits.h"
#include "common/ipc/filter_messages.h"
#include "common/milter/filter_answer.h"

namespace postwain::filter {

constexpr std::size_t kEditAddressMax = 512;     // octets of an address
constexpr std::size_t kEditArgumentsMax = 1024;  // of its arguments
// Fields of the header section times edits: each edit may have to look at each field, and nobody
// else is served meanwhile.
constexpr std::size_t kEditWorkMax = 20'000'000;

// What these edits would change; not whether they give another body.
ipc::FilterEditKinds kinds_of(const std::vector<milter::Edit>& edits);

class MessageEdits {
 public:
  // hidden: FilterHeader.
  MessageEdits(std::string_view section, std::size_t hidden) : header_(section, hidden) {}

  // In their order, without pieces of a body, which are somebody else's business. leading_space:
  // values bring their own. False: these are too many or too long, and nothing is changed; the
  // filter has failed.
  bool apply(const std::vector<milter::Edit>& edits, bool leading_space);
  // Nobody is added any more, so far.
  void forget_added() { added_.clear(); }

  const mail::HeaderEdits& header() const { return header_; }
  const std::optional<ipc::FilterAddress>& sender() const { return sender_; }
  // Recipients are taken out first, then added; an address that is in both is a new recipient.
  const std::vector<ipc::FilterAddress>& added() const { return added_; }
  const std::vector<std::string>& removed() const { return removed_; }
  // Why filters want it held; empty: they do not.
  const std::vector<std::string>& holds() const { return holds_; }

 private:
  bool apply_one(const milter::Edit& edit, bool leading_space);
  void add(const milter::Edit& edit);
  void remove(const std::string& address);

  mail::HeaderEdits header_;
  std::optional<ipc::FilterAddress> sender_;
  std::vector<ipc::FilterAddress> added_;
  std::vector<std::string> removed_;
  std::vector<std::string> holds_;
};

}  // namespace postwain::filter
