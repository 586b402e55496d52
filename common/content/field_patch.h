// Fields taken out of and put into the header section of content on its way: by name out, and in
// front of all others in. Streaming: memory is bounded whatever the content's size, and the octets
// of all other fields and of the body stay exactly as they are. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/mail/transport.h"

namespace postwain::mail {

class FieldPatch {
 public:
  // changes outlives it.
  explicit FieldPatch(const FieldChanges& changes) : changes_(&changes) {}

  // Appends what can be said by now. CRLF lines.
  void take(std::string_view content, std::string& out);
  // No more will come.
  void finish(std::string& out);

 private:
  enum class State { start, line_start, keep, drop, body };

  void begin_line(bool ended, std::string& out);
  bool is_removed(std::string_view line) const;

  const FieldChanges* changes_;
  State state_ = State::start;
  bool first_ = true;
  bool dropping_ = false;  // the field of the line before is taken out
  std::string line_;       // the beginning of a line of which it is not known what it is
};

}  // namespace postwain::mail
