#include "common/smtp/syntax/line_reader.h"

#include "common/base/check.h"

namespace postwain::smtp {

namespace {
// A buffer that grew beyond this for content is given back when it is empty.
constexpr std::size_t kKeptCapacity = 16U << 10;
}  // namespace

void LineReader::append(std::string_view bytes) {
  if (head_ == buffer_.size()) {
    buffer_.clear();
    if (buffer_.capacity() > kKeptCapacity && bytes.size() < kKeptCapacity) buffer_.shrink_to_fit();
    head_ = searched_ = 0;
  } else if (head_ > buffer_.size() / 2) {
    buffer_.erase(0, head_);
    searched_ -= head_;
    head_ = 0;
  }
  buffer_.append(bytes);
}

void LineReader::consume(std::size_t count) {
  PW_CHECK(count <= size());
  head_ += count;
  searched_ = head_;
}

void LineReader::clear() {
  buffer_.clear();
  head_ = searched_ = skipped_ = 0;
}

std::optional<Line> LineReader::next_line(std::size_t max) {
  std::size_t lf = buffer_.find('\n', searched_);
  if (lf == std::string::npos) {
    searched_ = buffer_.size();
    if (size() > max || skipped_ > 0) {
      skipped_ += size();
      consume(size());
    }
    return std::nullopt;
  }
  std::string_view text(buffer_.data() + head_, lf - head_);
  bool too_long = skipped_ > 0 || text.size() + 1 > max;
  consume(text.size() + 1);
  skipped_ = 0;
  if (too_long) return Line{{}, LineProblem::too_long};
  bool ends_well = !text.empty() && text.back() == '\r';
  if (ends_well) text.remove_suffix(1);
  if (!ends_well || text.find('\r') != std::string_view::npos)
    return Line{text, LineProblem::lone_cr_or_lf};
  if (text.find('\0') != std::string_view::npos) return Line{text, LineProblem::nul};
  return Line{text, LineProblem::none};
}

}  // namespace postwain::smtp
