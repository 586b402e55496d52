#include "common/notice/encode.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/content/transfer_encoding.h"

namespace postwain::notice {

namespace {

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

std::size_t width_of(std::string_view utf8) {
  std::size_t width = 0;
  for (char c : utf8)
    if (!continues(c)) ++width;
  return width;
}

// At most so many bytes, and only whole characters.
std::string_view start_of(std::string_view utf8, std::size_t bytes) {
  if (utf8.size() <= bytes) return utf8;
  while (bytes > 1 && continues(utf8[bytes])) --bytes;
  return utf8.substr(0, bytes);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t\n\r", at)) != std::string_view::npos) {
    std::size_t end = std::min(text.find_first_of(" \t\n\r", at), text.size());
    for (std::string_view word = text.substr(at, end - at); !word.empty();) {
      words.push_back(start_of(word, kWordMax));
      word.remove_prefix(words.back().size());
    }
    at = end;
  }
  return words;
}

// Lines end with `ending`; nothing behind the last.
std::string fill(std::string_view text, std::size_t first_column, std::string_view ending) {
  std::string out;
  std::size_t column = first_column;
  bool fresh = true;  // nothing stands in this line yet
  for (std::string_view word : words_of(text)) {
    std::size_t width = width_of(word);
    if (!fresh && column + 1 + width > kWidth) {
      out += ending;
      column = ending.size() - 2;  // behind CRLF
      fresh = true;
    }
    if (!fresh) {
      out += ' ';
      ++column;
    }
    out += word;
    column += width;
    fresh = false;
  }
  return out;
}

}  // namespace

std::string harmless(std::string_view text, std::size_t max_bytes) {
  std::string out;
  std::size_t at = 0;
  for (;;) {
    // printable() doubles backslashes, so they go around it.
    std::size_t end = std::min(text.find('\\', at), text.size());
    if (out.size() + (end - at) > max_bytes)
      return out +
             printable(text.substr(at, end - at), max_bytes - std::min(out.size(), max_bytes));
    out += printable(text.substr(at, end - at), max_bytes);
    if (end == text.size()) return out;
    out += '\\';
    at = end + 1;
  }
}

std::string ascii_of(std::string_view utf8) {
  std::string out;
  for (std::size_t i = 0; i < utf8.size();) {
    auto lead = static_cast<unsigned char>(utf8[i]);
    std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (size == 1) {
      out += utf8[i++];
      continue;
    }
    std::uint32_t code = lead & (0xFFU >> (size + 1));
    for (std::size_t k = 1; k < size && i + k < utf8.size(); ++k)
      code = code << 6 | (static_cast<unsigned char>(utf8[i + k]) & 0x3FU);
    out += fmt::format("\\x{{{:02X}}}", code);
    i += size;
  }
  return out;
}

std::string filled(std::string_view words, std::size_t indent) {
  std::string margin(indent, ' ');
  return margin + fill(words, indent, "\r\n" + margin) + "\r\n";
}

std::string paragraphs(std::string_view text, std::size_t indent) {
  std::string out;
  std::string paragraph;
  auto flush = [&] {
    if (!paragraph.empty()) out += filled(paragraph, indent);
    paragraph.clear();
  };
  for (std::string_view line : split(text, '\n')) {
    bool empty = trim(line).empty();
    if (!empty && line.front() != ' ') {
      paragraph += line;
      paragraph += '\n';
      continue;
    }
    flush();
    if (empty)
      out += "\r\n";
    else
      out += quoted_line(line, indent);
  }
  flush();
  return out;
}

std::string quoted_line(std::string_view line, std::size_t indent) {
  std::string margin(indent, ' ');
  if (indent + width_of(line) <= kWidth) return margin + std::string(line) + "\r\n";
  return margin + fill(line, indent, "\r\n" + margin + "  ") + "\r\n";
}

std::string folded_field(std::string_view name, std::string_view value) {
  std::string out = fmt::format("{}: ", name);
  std::size_t column = out.size();
  bool first = true;
  for (std::string_view line : split(value, '\n')) {
    std::string words = fill(line, column, "\r\n ");
    if (words.empty()) continue;
    if (!first) out += "\r\n ";
    out += words;
    column = 1;
    first = false;
  }
  return out + "\r\n";
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  mail::QuotedPrintable encoder;
  encoder.encode(text, out);
  encoder.finish(out);
  return out;
}

std::string encoded_words(std::string_view utf8) {
  if (is_ascii(utf8)) return std::string(utf8);
  constexpr std::size_t kBytes = 42;  // 56 characters of base64 and the frame stay below 75
  std::string out;
  while (!utf8.empty()) {
    std::string_view some = start_of(utf8, kBytes);
    if (!out.empty()) out += "\r\n ";
    out += fmt::format("=?utf-8?B?{}?=", base64_encode(some));
    utf8.remove_prefix(some.size());
  }
  return out;
}

}  // namespace postwain::notice
