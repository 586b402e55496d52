// Writing a field of tags so that its lines stay short (RFC 5322 2.1.1).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::authentication::dkim {

constexpr std::size_t kFieldLineMax = 78;

class FoldedField {
 public:
  explicit FoldedField(std::string_view name) : text_(std::string(name) + ":") {}
  // Goes on with a field of which that much is written.
  static FoldedField begun(std::string_view text);

  // A word with a space, or a line end and a space, before it. Its own length is not changed.
  void add(std::string_view word) { put(word, " "); }
  // "tag=one:two:three;", which may be folded behind each colon.
  void add_list(std::string_view tag, const std::vector<std::string>& words);
  // Octets that may be folded anywhere, such as base64, right behind what stands there.
  void append(std::string_view octets);

  const std::string& text() const { return text_; }

 private:
  FoldedField() = default;
  void put(std::string_view word, std::string_view gap);
  void fold();

  std::string text_;
  std::size_t line_ = 0;  // where the line under way begins
};

}  // namespace postwain::authentication::dkim
