#include "qmgr/model/message.h"

namespace postwain::qmgr {

std::string_view name_of(TrafficClass value) {
  switch (value) {
    case TrafficClass::interactive:
      return "interactive";
    case TrafficClass::bulk:
      return "bulk";
    case TrafficClass::bounce:
      return "bounce";
  }
  return "?";
}

bool MessageInfo::has_sane_header_size() const {
  if (header_size == 0) return true;
  return in_file && header_size <= ipc::kHeaderApartMax && header_size <= size;
}

TrafficClass classify(MessageKind kind, const mail::Envelope& envelope, std::size_t recipients) {
  if (kind != MessageKind::mail || envelope.reverse_path.is_null()) return TrafficClass::bounce;
  return recipients > kBulkRecipients ? TrafficClass::bulk : TrafficClass::interactive;
}

}  // namespace postwain::qmgr
