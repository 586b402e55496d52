// The header sections of the parts of a message (RFC 2045, RFC 2046): of the parts of a multipart
// and of messages in a message, however deep, up to kPartDepthMax. Nothing is decoded. What a
// boundary is decides the Content-Type as it is written; who writes it so that readers disagree
// about it is not found out here. Memory is bounded. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/content/line_pieces.h"

namespace postwain::mail {

constexpr std::size_t kPartFieldMax = 64U << 10;  // octets of a field; the rest of it is not seen

class PartHeaders {
 public:
  // content_type: value of that field of the message itself.
  explicit PartHeaders(std::string_view content_type) { enter(content_type); }

  // The body, line by line. What it returns is a field of a part, whole and unfolded
  // ("Name: value"), or empty; a view until the next call.
  std::string_view take(const LinePiece& line);
  std::string_view finish();

 private:
  enum class State : std::uint8_t { body, header };

  void enter(std::string_view content_type);
  std::string_view end_field();
  void end_header();
  bool take_boundary(std::string_view line);

  State state_ = State::body;
  std::vector<std::string> boundaries_;  // "--boundary", outermost first
  std::string field_;                    // under way
  std::string given_;                    // what was returned
  std::string content_type_;             // of the part whose header section this is
};

}  // namespace postwain::mail
