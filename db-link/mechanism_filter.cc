#include "db-link/mechanism_filter.h"

#include <cstdint>
#include <optional>
#include <utility>

namespace postwain::dblink {

namespace {

constexpr char kAuthentication = 'R';
constexpr char kNegotiation = 'v';
constexpr std::uint32_t kSasl = 10;            // AuthenticationSASL
constexpr std::size_t kTypeAndLength = 1 + 4;  // a message: its type, its length, its body
constexpr std::string_view kWithBinding = "-PLUS";

std::uint32_t number_at(std::string_view bytes, std::size_t place) {
  std::uint32_t out = 0;
  for (std::size_t i = place; i < place + 4; ++i)
    out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return out;
}

void append_number(std::string& out, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xFF);
}

// Names that end with NUL, and an empty one behind the last. Nothing: it is no such list.
std::optional<std::string> without_binding(std::string_view names) {
  std::string out;
  for (;;) {
    std::size_t end = names.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view name = names.substr(0, end);
    names.remove_prefix(end + 1);
    if (name.empty()) break;
    if (!name.ends_with(kWithBinding)) out.append(name).push_back('\0');
  }
  if (!names.empty()) return std::nullopt;
  out.push_back('\0');
  return out;
}

}  // namespace

std::string MechanismFilter::feed(std::string_view bytes) {
  if (state_ == State::failed) return {};
  if (state_ == State::passing) return std::string(bytes);
  held_ += bytes;
  while (state_ == State::looking && !held_.empty()) {
    std::size_t before = held_.size();
    take_message();
    if (held_.size() == before) break;
  }
  if (state_ == State::passing) out_ += std::exchange(held_, {});
  if (state_ == State::failed) out_.clear();
  return std::exchange(out_, {});
}

// The first message that is held, when it is whole; else nothing.
void MechanismFilter::take_message() {
  if (held_.front() != kAuthentication && held_.front() != kNegotiation) {
    state_ = State::passing;
    return;
  }
  if (held_.size() < kTypeAndLength) return;
  std::uint32_t length = number_at(held_, 1);  // with itself
  if (length < 8 || length > kLoginMessageMax) {
    state_ = State::failed;
    return;
  }
  if (held_.size() < 1 + length) return;
  out_ += whole_message(1 + length);
  held_.erase(0, 1 + length);
}

std::string MechanismFilter::whole_message(std::size_t size) {
  std::string_view message = std::string_view(held_).substr(0, size);
  if (message.front() == kNegotiation) {
    if (++negotiations_ > kNegotiationsMax) state_ = State::failed;
    return std::string(message);
  }
  state_ = State::passing;
  if (number_at(message, kTypeAndLength) != kSasl) return std::string(message);
  std::optional<std::string> names = without_binding(message.substr(kTypeAndLength + 4));
  if (!names) {
    state_ = State::failed;
    return {};
  }
  std::string out(1, kAuthentication);
  append_number(out, static_cast<std::uint32_t>(4 + 4 + names->size()));
  append_number(out, kSasl);
  return out + *names;
}

}  // namespace postwain::dblink
