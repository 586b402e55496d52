#include "common/content/header_reader.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/content/header_form.h"

namespace postwain::mail {

void HeaderReader::append(std::string_view octets) {
  PW_CHECK(ready_ == 0);
  if (ended_) return;
  buffer_ += octets;
  std::size_t size = buffer_.size();
  bool line_ended = size - line_ >= 2 && buffer_[size - 2] == '\r' && buffer_[size - 1] == '\n';
  if (line_ended || size - line_ > kFieldNameMax) judge(line_ended);
}

void HeaderReader::judge(bool line_ended) {
  std::string_view line = std::string_view(buffer_).substr(line_);
  if (line_ended) line.remove_suffix(2);
  HeaderLine kind = header_line(line, first_line_, line_ended);
  if (kind == HeaderLine::none || kind == HeaderLine::empty) {
    buffer_.resize(line_);
    ready_ = line_;
    ended_ = true;
    return;
  }
  if (!line_ended) return;
  first_line_ = false;
  // An mbox line, and what continues it, belongs to no field.
  if (kind == HeaderLine::mbox || (kind == HeaderLine::continuation && line_ == 0)) buffer_.clear();
  if (kind == HeaderLine::field) ready_ = line_;
  line_ = buffer_.size();
}

std::size_t HeaderReader::undecided() const {
  std::size_t size = buffer_.size() - line_;
  return size <= kFieldNameMax ? kFieldNameMax + 1 - size : 0;
}

bool HeaderReader::next_field() {
  if (taken_) {
    buffer_.erase(0, ready_);
    line_ -= std::min(line_, ready_);
    ready_ = ended_ ? buffer_.size() : 0;
  }
  if (ready_ == 0 && at_end_ && !ended_) judge_rest();
  taken_ = ready_ > 0;
  return taken_;
}

// A last line without its end.
void HeaderReader::judge_rest() {
  HeaderLine kind = header_line(std::string_view(buffer_).substr(line_), first_line_, true);
  bool part = kind == HeaderLine::field || (kind == HeaderLine::continuation && line_ > 0);
  if (!part) buffer_.resize(line_);
  ended_ = true;
  ready_ = kind == HeaderLine::field && line_ > 0 ? line_ : buffer_.size();
}

HeaderField HeaderReader::field() const {
  PW_CHECK(taken_);
  HeaderField field;
  field.text = std::string_view(buffer_).substr(0, ready_);
  std::size_t colon = field.text.find(':');
  field.name = trim(field.text.substr(0, colon));
  field.value = field.text.substr(colon + 1);
  if (field.value.size() >= 2 && field.value.substr(field.value.size() - 2) == "\r\n")
    field.value.remove_suffix(2);
  return field;
}

}  // namespace postwain::mail
