#include "common/content/field_patch.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/content/header_form.h"

namespace postwain::mail {

bool FieldPatch::is_removed(std::string_view line) const {
  std::string_view name = trim(line.substr(0, line.find(':')));
  return std::any_of(changes_->removed.begin(), changes_->removed.end(),
                     [&](const std::string& one) { return iequals(one, name); });
}

// What kind of line has begun decides about all of it.
void FieldPatch::begin_line(bool ended, std::string& out) {
  std::string_view text = line_;
  if (ended && !text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (ended && !text.empty() && text.back() == '\r') text.remove_suffix(1);
  switch (header_line(text, first_, ended)) {
    case HeaderLine::open:
      return;
    case HeaderLine::field:
      dropping_ = is_removed(text);
      state_ = dropping_ ? State::drop : State::keep;
      break;
    case HeaderLine::continuation:
      state_ = dropping_ ? State::drop : State::keep;
      break;
    case HeaderLine::mbox:
      dropping_ = false;
      state_ = State::keep;
      break;
    case HeaderLine::empty:
    case HeaderLine::none:
      state_ = State::body;
      break;
  }
  first_ = false;
  if (state_ != State::drop) out += line_;
  bool whole = !line_.empty() && line_.back() == '\n';
  line_.clear();
  if (whole && state_ != State::body) state_ = State::line_start;
}

void FieldPatch::take(std::string_view content, std::string& out) {
  if (state_ == State::start) {
    out += changes_->added;
    state_ = State::line_start;
  }
  while (!content.empty()) {
    if (state_ == State::body) {
      out += content;
      return;
    }
    std::size_t lf = content.find('\n');
    std::size_t end = lf == std::string_view::npos ? content.size() : lf + 1;
    std::string_view part = content.substr(0, end);
    content.remove_prefix(end);
    bool ended = part.back() == '\n';
    if (state_ == State::line_start) {
      line_ += part;
      begin_line(ended, out);
      continue;
    }
    if (state_ == State::keep) out += part;
    if (ended) state_ = State::line_start;
  }
}

void FieldPatch::finish(std::string& out) {
  take({}, out);
  if (!line_.empty()) begin_line(true, out);
}

}  // namespace postwain::mail
