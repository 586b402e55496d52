// Packets of the milter protocol, to octets and back. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/milter/protocol.h"

namespace postwain::milter {

// One packet, written to the end of `out`; it is whole when the writer is gone.
class PacketWriter {
 public:
  PacketWriter(std::string& out, Command command);
  ~PacketWriter();
  PacketWriter(const PacketWriter&) = delete;
  PacketWriter& operator=(const PacketWriter&) = delete;

  void octets(std::string_view octets) { out_ += octets; }
  // With a NUL after it. A NUL within ends it there, as a C program on the other side would read
  // it.
  void text(std::string_view text);
  void number32(std::uint32_t number);
  void number16(std::uint16_t number);

 private:
  std::string& out_;
  std::size_t start_;
};

struct Packet {
  char command = 0;
  std::string_view data;
};

// Packets out of the octets of a filter, cut anywhere.
class PacketReader {
 public:
  void append(std::string_view octets);
  // The next packet that is whole, until the next call of another function here. Nothing: there is
  // none yet, or broken().
  std::optional<Packet> next();
  // A packet without command, or longer than kReplyPacketMax: nothing after it can be understood.
  bool broken() const { return broken_; }

 private:
  std::string buffer_;
  std::size_t taken_ = 0;
  bool broken_ = false;
};

// What stands in a packet's data, in order. After a mistake good() is false, and what is read is
// empty.
class DataReader {
 public:
  explicit DataReader(std::string_view data) : rest_(data) {}
  std::uint32_t number32();
  std::string_view text();  // up to its NUL
  std::string_view rest();  // everything
  bool at_end() const { return rest_.empty(); }
  bool good() const { return good_; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace postwain::milter
