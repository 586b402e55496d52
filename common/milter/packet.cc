#include "common/milter/packet.h"

#include <utility>

namespace postwain::milter {

namespace {

constexpr std::size_t kLengthOctets = 4;

std::uint32_t read32(std::string_view at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < kLengthOctets; ++i)
    number = number << 8U | static_cast<unsigned char>(at[i]);
  return number;
}

}  // namespace

PacketWriter::PacketWriter(std::string& out, Command command) : out_(out), start_(out.size()) {
  out_.append(kLengthOctets, '\0');
  out_ += static_cast<char>(command);
}

PacketWriter::~PacketWriter() {
  std::size_t length = out_.size() - start_ - kLengthOctets;
  for (std::size_t i = 0; i < kLengthOctets; ++i)
    out_[start_ + i] = static_cast<char>(length >> (8 * (kLengthOctets - 1 - i)));
}

void PacketWriter::text(std::string_view text) {
  out_ += text.substr(0, text.find('\0'));
  out_ += '\0';
}

void PacketWriter::number32(std::uint32_t number) {
  number16(static_cast<std::uint16_t>(number >> 16U));
  number16(static_cast<std::uint16_t>(number));
}

void PacketWriter::number16(std::uint16_t number) {
  out_ += static_cast<char>(number >> 8U);
  out_ += static_cast<char>(number);
}

void PacketReader::append(std::string_view octets) {
  buffer_.erase(0, std::exchange(taken_, 0));
  buffer_ += octets;
}

std::optional<Packet> PacketReader::next() {
  std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (broken_ || rest.size() < kLengthOctets) return std::nullopt;
  std::uint32_t length = read32(rest);
  broken_ = length == 0 || length > kReplyPacketMax;
  if (broken_ || rest.size() - kLengthOctets < length) return std::nullopt;
  taken_ += kLengthOctets + length;
  return Packet{rest[kLengthOctets], rest.substr(kLengthOctets + 1, length - 1)};
}

std::uint32_t DataReader::number32() {
  if (rest_.size() < kLengthOctets) good_ = false;
  if (!good_) return 0;
  std::uint32_t number = read32(rest_);
  rest_.remove_prefix(kLengthOctets);
  return number;
}

std::string_view DataReader::text() {
  std::size_t end = rest_.find('\0');
  if (end == std::string_view::npos) good_ = false;
  if (!good_) return {};
  std::string_view text = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  return text;
}

std::string_view DataReader::rest() {
  return good_ ? std::exchange(rest_, {}) : std::string_view();
}

}  // namespace postwain::milter
