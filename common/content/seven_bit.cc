#include "common/content/seven_bit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/text.h"
#include "common/content/content_type.h"

namespace postwain::mail {

namespace {

// No boundary is as long (RFC 2046 5.1.1), so such a line may be taken before its end has come.
constexpr std::size_t kUnendedMax = 4096;

struct Field {
  std::string_view name;
  std::string_view value;  // folded, without the last CRLF
  std::string_view whole;
};

// The fields of a header section, each with its continuation lines.
std::vector<Field> fields_of(std::string_view header) {
  std::vector<Field> out;
  while (!header.empty()) {
    std::size_t end = 0;
    do {
      std::size_t lf = header.find('\n', end);
      end = lf == std::string_view::npos ? header.size() : lf + 1;
    } while (end < header.size() && (header[end] == ' ' || header[end] == '\t'));
    std::string_view whole = header.substr(0, end);
    header.remove_prefix(end);
    std::size_t colon = whole.find(':');
    if (colon == std::string_view::npos) colon = 0;
    out.push_back({without_blanks(whole.substr(0, colon)),
                   without_blanks(whole.substr(std::min(colon + 1, whole.size()))), whole});
  }
  return out;
}

bool is_clean(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    auto octet = static_cast<unsigned char>(c);
    return octet < 0x80 && octet != 0;
  });
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// A word with octets above 127; the charset is a guess that is right nearly always.
std::string encoded_word(std::string_view word) {
  constexpr std::size_t kBytes = 42;
  std::string_view charset = is_valid_utf8(word) ? "utf-8" : "unknown-8bit";
  std::string out;
  while (!word.empty()) {
    std::size_t size = std::min(word.size(), kBytes);
    while (size < word.size() && size > 1 &&
           (static_cast<unsigned char>(word[size]) & 0xC0U) == 0x80)
      --size;
    if (!out.empty()) out += "\r\n ";
    out += "=?" + std::string(charset) + "?B?" + base64_encode(word.substr(0, size)) + "?=";
    word.remove_prefix(size);
  }
  return out;
}

// The field with its words encoded where they have to be.
std::string clean_words(std::string_view text) {
  constexpr std::string_view kBetween = " \t\r\n";
  std::string out;
  while (!text.empty()) {
    std::size_t begin = std::min(text.find_first_not_of(kBetween), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    std::size_t end = std::min(text.find_first_of(kBetween), text.size());
    std::string_view word = text.substr(0, end);
    out += is_clean(word) ? std::string(word) : encoded_word(word);
    text.remove_prefix(end);
  }
  return out;
}

enum class Entity { multipart, message, opaque, text, other };

Entity entity_of(const std::string& type) {
  if (type.empty() || type.compare(0, 5, "text/") == 0) return Entity::text;
  if (type.compare(0, 10, "multipart/") == 0) return Entity::multipart;
  if (type == "message/rfc822" || type == "message/global") return Entity::message;
  if (type.compare(0, 8, "message/") == 0) return Entity::opaque;
  return Entity::other;
}

}  // namespace

void SevenBit::convert(std::string_view content, std::string& out) {
  while (!content.empty()) {
    // Only a CRLF ends a line; in binary content a lone LF is an octet.
    std::size_t lf = content.find('\n');
    std::string_view piece = content.substr(0, lf == std::string_view::npos ? lf : lf + 1);
    content.remove_prefix(piece.size());
    line_ += piece;
    bool whole = line_.size() >= 2 && line_.compare(line_.size() - 2, 2, "\r\n") == 0;
    if (!whole && line_.size() < kUnendedMax) continue;
    // A CR at the end may be half of a line end.
    bool half = !whole && line_.back() == '\r';
    std::string taken = std::exchange(line_, half ? "\r" : "");
    if (half) taken.pop_back();
    take_line(taken, whole, out);
    line_begun_ = !whole;
  }
}

void SevenBit::finish(std::string& out) {
  if (!line_.empty()) take_line(std::exchange(line_, {}), false, out);
  if (state_ == State::header) end_header(out);
  end_body(out);
  out += line_end_;
  *this = SevenBit(keep_utf8_fields_);
}

void SevenBit::take_line(std::string_view line, bool whole, std::string& out) {
  if (state_ == State::header) return header_line(line, whole, out);
  if (!line_begun_ && take_boundary(line, out)) return;
  body_line(line, whole, out);
}

void SevenBit::header_line(std::string_view line, bool whole, std::string& out) {
  bool empty = !line_begun_ && whole && line.size() == 2;
  // A part may end within its header section.
  if (!empty && !line_begun_ && line.size() < kUnendedMax && line.substr(0, 2) == "--") {
    for (const std::string& boundary : boundaries_)
      if (line.substr(0, boundary.size()) == boundary) {
        end_header(out);
        take_boundary(line, out);
        return;
      }
  }
  // The empty line belongs to the header section; a boundary may follow it at once.
  if (empty) return end_header(out);
  std::size_t room = kPartHeaderMax - header_.size();
  header_ += line.substr(0, room);
  if (line.size() <= room) return;
  // The same however the line was cut on its way here.
  end_header(out);
  if (state_ == State::header) state_ = State::copy;
  body_line(line.substr(room), whole && line.size() - room >= 2, out);
}

// Writes the header section as it has to be for what becomes of the body.
void SevenBit::end_header(std::string& out) {
  std::string type_value;
  std::string encoding;
  bool has_version = false;
  std::vector<Field> fields = fields_of(header_);
  for (const Field& field : fields) {
    if (iequals(field.name, "Content-Type")) type_value = field.value;
    if (iequals(field.name, "Content-Transfer-Encoding")) encoding = first_token(field.value);
    has_version = has_version || iequals(field.name, "MIME-Version");
  }
  std::string boundary = parameter_of(type_value, "boundary");
  if (!is_printable(boundary)) boundary.clear();
  Entity entity = entity_of(first_token(type_value));
  bool encoded = encoding == "base64" || encoding == "quoted-printable";
  if (entity == Entity::multipart && (boundary.empty() || boundaries_.size() >= kPartDepthMax))
    entity = Entity::other;
  const char* said = "7bit";
  state_ = State::copy;
  if (!encoded && (entity == Entity::text || entity == Entity::other)) {
    bool text = entity == Entity::text && encoding != "binary";
    said = text ? "quoted-printable" : "base64";
    state_ = text ? State::quoted_printable : State::base64;
  }
  for (const Field& field : fields) {
    if (!encoded && iequals(field.name, "Content-Transfer-Encoding")) continue;
    copy_field(field.whole, out);
  }
  after_cr_ = false;
  if (!header_.empty() && header_.back() != '\n') out += "\r\n";
  if (!encoded) {
    if (top_ && !has_version) out += "MIME-Version: 1.0\r\n";
    if (top_ && type_value.empty()) out += "Content-Type: text/plain; charset=unknown-8bit\r\n";
    out += std::string("Content-Transfer-Encoding: ") + said + "\r\n";
  }
  out += "\r\n";
  header_.clear();
  top_ = false;
  if (entity == Entity::multipart && !encoded) boundaries_.push_back("--" + boundary);
  if (entity == Entity::message && !encoded) state_ = State::header;
}

// True when the line ends the part: a new one begins behind it, or the outer one goes on.
bool SevenBit::take_boundary(std::string_view line, std::string& out) {
  if (line.size() >= kUnendedMax || line.substr(0, 2) != "--") return false;
  for (std::size_t i = boundaries_.size(); i-- > 0;) {
    const std::string& boundary = boundaries_[i];
    if (line.substr(0, boundary.size()) != boundary) continue;
    std::string_view rest = without_blanks(line.substr(boundary.size()));
    bool last = rest == "--";
    if (!rest.empty() && !last) continue;
    end_body(out);
    out += line_end_;
    line_end_.clear();
    out += boundary + (last ? "--\r\n" : "\r\n");
    boundaries_.resize(last ? i : i + 1);
    state_ = last ? State::copy : State::header;
    return true;
  }
  return false;
}

void SevenBit::body_line(std::string_view line, bool whole, std::string& out) {
  std::string_view text = whole ? line.substr(0, line.size() - 2) : line;
  switch (state_) {
    case State::header:
      break;
    case State::copy:
      out += line_end_;
      copy(text, out);
      break;
    case State::quoted_printable:
      quoted_printable_.encode(line_end_, out);
      quoted_printable_.encode(text, out);
      break;
    case State::base64:
      base64_.encode(line_end_, out);
      base64_.encode(text, out);
      break;
  }
  line_end_ = whole ? "\r\n" : "";
}

// The line end before a boundary is the boundary's (RFC 2046 5.1.1); base64 has line ends of its
// own.
void SevenBit::end_body(std::string& out) {
  if (state_ == State::quoted_printable) quoted_printable_.finish(out);
  if (state_ == State::base64) {
    if (boundaries_.empty()) base64_.encode(line_end_, out);
    base64_.finish(out);
    line_end_.clear();
  }
  after_cr_ = false;
}

void SevenBit::copy_field(std::string_view field, std::string& out) {
  if (is_clean(field)) return copy(field, out);
  if (keep_utf8_fields_ && is_valid_utf8(field)) return copy(field, out, true);
  copy(clean_words(field), out);
}

void SevenBit::copy(std::string_view text, std::string& out, bool as_it_is) {
  for (char c : text) {
    auto octet = static_cast<unsigned char>(c);
    bool line_end = c == '\n' || after_cr_;
    if (line_end) out += "\r\n";
    after_cr_ = c == '\r';
    if (c == '\n' || c == '\r') continue;
    out += octet == 0 || (octet > 127 && !as_it_is) ? '?' : c;
  }
}

}  // namespace postwain::mail
