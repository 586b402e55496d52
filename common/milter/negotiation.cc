#include "common/milter/negotiation.h"

#include "common/milter/packet.h"

namespace postwain::milter {

void append_offer(std::string& out) {
  PacketWriter packet(out, Command::negotiate);
  packet.number32(kVersion);
  packet.number32(action::kAll);
  packet.number32(protocol::kAll);
}

std::optional<Agreement> read_agreement(std::string_view data, std::string& why_not) {
  DataReader reader(data);
  Agreement agreement;
  agreement.version = reader.number32();
  agreement.actions = reader.number32();
  agreement.protocol = reader.number32();
  if (!reader.good()) {
    why_not = "its answer to the negotiation is too short";
    return std::nullopt;
  }
  if (agreement.version < kOldestVersion || agreement.version > kVersion) {
    why_not = "it speaks version " + std::to_string(agreement.version) + " of the protocol";
    return std::nullopt;
  }
  if ((agreement.actions & ~action::kAll) != 0) {
    why_not = "it wants actions that were not offered";
    return std::nullopt;
  }
  // Bits that are newer than its version mean nothing; those of packet sizes stay as they are.
  if (agreement.version == kOldestVersion) {
    agreement.actions &= action::kOfVersion2;
    agreement.protocol &= protocol::kOfVersion2;
  }
  agreement.protocol &= protocol::kAll;
  while (!reader.at_end()) {
    std::uint32_t index = reader.number32();
    std::string_view names = reader.text();
    if (!reader.good() || !agreement.macros.set(index, names)) {
      why_not = "its list of macros cannot be read";
      return std::nullopt;
    }
  }
  return agreement;
}

}  // namespace postwain::milter
