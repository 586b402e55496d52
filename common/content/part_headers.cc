#include "common/content/part_headers.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/content/content_type.h"
#include "common/content/header_form.h"
#include "common/content/seven_bit.h"

namespace postwain::mail {

// What such an entity holds: parts, a message, or nothing that has header sections.
void PartHeaders::enter(std::string_view content_type) {
  state_ = State::body;
  std::string type = first_token(content_type);
  if (type == "message/rfc822" || type == "message/global") {
    state_ = State::header;
    return;
  }
  if (type.compare(0, 10, "multipart/") != 0 || boundaries_.size() >= kPartDepthMax) return;
  std::string boundary = parameter_of(content_type, "boundary");
  if (!boundary.empty() && boundary.size() < kLinePieceMax) boundaries_.push_back("--" + boundary);
}

std::string_view PartHeaders::end_field() {
  given_ = std::exchange(field_, {});
  if (given_.empty()) return {};
  std::size_t colon = given_.find(':');
  if (iequals(trim(std::string_view(given_).substr(0, colon)), "Content-Type"))
    content_type_ = given_.substr(colon + 1);
  return given_;
}

void PartHeaders::end_header() {
  enter(std::exchange(content_type_, {}));
}

bool PartHeaders::take_boundary(std::string_view line) {
  if (line.substr(0, 2) != "--") return false;
  for (std::size_t i = boundaries_.size(); i-- > 0;) {
    const std::string& boundary = boundaries_[i];
    if (line.substr(0, boundary.size()) != boundary) continue;
    std::string_view rest = trim(line.substr(boundary.size()));
    bool last = rest == "--";
    if (!rest.empty() && !last) continue;
    boundaries_.resize(last ? i : i + 1);
    state_ = last ? State::body : State::header;
    content_type_.clear();
    return true;
  }
  return false;
}

std::string_view PartHeaders::take(const LinePiece& line) {
  // A part may end within its header section.
  bool in_header = state_ == State::header;
  if (line.begins && line.ends && take_boundary(line.text)) {
    given_ = std::exchange(field_, {});
    return in_header ? std::string_view(given_) : std::string_view();
  }
  if (state_ != State::header) return {};
  bool more = !line.begins ||
              (!line.text.empty() && (line.text.front() == ' ' || line.text.front() == '\t'));
  if (more) {
    std::size_t room = kPartFieldMax - std::min(kPartFieldMax, field_.size());
    if (!field_.empty()) field_ += line.text.substr(0, room);
    return {};
  }
  std::string_view done = end_field();
  if (is_field_line(line.text))
    field_ = line.text;
  else
    end_header();
  return done;
}

std::string_view PartHeaders::finish() {
  return state_ == State::header ? end_field() : std::string_view();
}

}  // namespace postwain::mail
