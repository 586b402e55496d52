#include "common/rspamd/http_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "common/base/text.h"

namespace postwain::rspamd {

namespace {

constexpr std::size_t kChunkLineMax = 256;

std::optional<std::size_t> hexadecimal(std::string_view digits) {
  std::uint32_t out = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return out;
}

std::string_view without_cr(std::string_view line) {
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

}  // namespace

bool HttpReader::refuse(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  return false;
}

bool HttpReader::receive(std::string_view octets) {
  if (!failure_.empty()) return false;
  if (part_ == Part::over) return refuse("octets behind its answer");
  rest_ += octets;
  for (bool stuck = false; !stuck && part_ != Part::over;)
    if (!step(stuck)) return false;
  if (part_ == Part::over && !rest_.empty()) return refuse("octets behind its answer");
  return true;
}

bool HttpReader::end() {
  if (part_ == Part::to_end) part_ = Part::over;
  return part_ == Part::over || refuse("it ended the connection before its answer was whole");
}

bool HttpReader::step(bool& stuck) {
  switch (part_) {
    case Part::head:
    case Part::trailer: {
      stuck = rest_.find('\n') == std::string::npos;
      if (stuck)
        return head_ + rest_.size() <= kHeadMax || refuse("the head of its answer is too long");
      return take_head();
    }
    case Part::chunk_size:
      stuck = rest_.find('\n') == std::string::npos;
      if (stuck) return rest_.size() <= kChunkLineMax || refuse("its answer has an odd chunk");
      return take_chunk_size();
    case Part::chunk_end:
      stuck = rest_.size() < 2;
      if (stuck) return true;
      if (!rest_.starts_with("\r\n")) return refuse("its answer has an odd chunk");
      rest_.erase(0, 2);
      part_ = Part::chunk_size;
      return true;
    case Part::length:
    case Part::chunk:
    case Part::to_end:
      stuck = rest_.empty() && left_ > 0;
      if (part_ == Part::to_end) stuck = rest_.empty();
      return stuck || take_octets();
    case Part::over:
      return true;
  }
  return true;
}

// As many lines as are there; an empty one ends the head, or the trailer.
bool HttpReader::take_head() {
  std::size_t at = 0;
  for (std::size_t end; (end = rest_.find('\n', at)) != std::string::npos;) {
    std::string_view line = without_cr(std::string_view(rest_).substr(at, end - at));
    head_ += end + 1 - at;
    if (head_ > kHeadMax) return refuse("the head of its answer is too long");
    at = end + 1;
    if (part_ == Part::trailer) {
      if (line.empty()) part_ = Part::over;
    } else if (!take_line(line)) {
      return false;
    }
    if (part_ != Part::head && part_ != Part::trailer) break;
  }
  rest_.erase(0, at);
  return true;
}

bool HttpReader::take_line(std::string_view line) {
  if (status_ == 0) {
    bool fits = line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ';
    auto status = fits ? parse_decimal<int>(line.substr(9, 3)) : std::nullopt;
    if (!status || *status < 100 || *status > 599) return refuse("its answer is no HTTP");
    status_ = *status;
    return true;
  }
  if (!line.empty()) {
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return refuse("its answer has a field without a name");
    std::string_view name = line.substr(0, colon);
    std::string_view value = trim(line.substr(colon + 1));
    if (iequals(name, "Transfer-Encoding")) {
      if (!iequals(value, "chunked")) return refuse("its answer has a coding we do not know");
      chunked_ = true;
    }
    if (iequals(name, "Content-Length")) {
      length_ = parse_decimal<std::size_t>(value);
      if (!length_ || *length_ > kBodyMax) return refuse("its answer is too long");
    }
    if (iequals(name, "Server")) server_ = value.substr(0, kServerMax);
    if (iequals(name, "Content-Encoding") && !iequals(value, "identity"))
      return refuse("its answer has a coding we do not know");
    return true;
  }
  if (status_ < 200) {  // 100: another head follows
    status_ = 0;
    return true;
  }
  left_ = length_.value_or(0);
  part_ = chunked_ ? Part::chunk_size : (length_ ? Part::length : Part::to_end);
  if (part_ == Part::length && left_ == 0) part_ = Part::over;
  return true;
}

bool HttpReader::take_chunk_size() {
  std::size_t end = rest_.find('\n');
  if (end > kChunkLineMax) return refuse("its answer has an odd chunk");
  std::string_view line = without_cr(std::string_view(rest_).substr(0, end));
  auto size = hexadecimal(trim(line.substr(0, line.find(';'))));
  if (!size) return refuse("its answer has an odd chunk");
  if (body_.size() + *size > kBodyMax) return refuse("its answer is too long");
  rest_.erase(0, end + 1);
  left_ = *size;
  part_ = *size == 0 ? Part::trailer : Part::chunk;
  return true;
}

bool HttpReader::take_octets() {
  std::size_t taken = part_ == Part::to_end ? rest_.size() : std::min(left_, rest_.size());
  if (body_.size() + taken > kBodyMax) return refuse("its answer is too long");
  body_.append(rest_, 0, taken);
  rest_.erase(0, taken);
  if (part_ == Part::to_end) return true;
  left_ -= taken;
  if (left_ == 0) part_ = part_ == Part::chunk ? Part::chunk_end : Part::over;
  return true;
}

}  // namespace postwain::rspamd
