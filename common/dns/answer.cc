#include "common/dns/answer.h"

#include <ares.h>
#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "common/base/text.h"

namespace postwain::dns {

namespace {

constexpr std::size_t kHeader = 12;
constexpr std::uint16_t kCname = 5;
constexpr std::uint16_t kSoa = 6;
constexpr std::uint16_t kClassIn = 1;
constexpr std::size_t kRecordsRead = 500;  // of one message

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::uint32_t ttl = 0;
  std::size_t data = 0;  // offset in the message
  std::size_t size = 0;
};

class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  std::size_t at() const { return at_; }
  void skip(std::size_t bytes) { at_ += bytes; }
  std::optional<std::uint16_t> u16_at(std::size_t offset) const {
    if (offset + 2 > message_.size()) return std::nullopt;
    return static_cast<std::uint16_t>(byte(offset) << 8 | byte(offset + 1));
  }
  std::optional<std::uint32_t> u32_at(std::size_t offset) const {
    auto high = u16_at(offset);
    auto low = u16_at(offset + 2);
    if (!high || !low) return std::nullopt;
    return std::uint32_t{*high} << 16 | *low;
  }
  // The name at offset in lower case, compression followed; size is what it takes at offset.
  std::optional<std::string> name_at(std::size_t offset, std::size_t& size) const {
    if (offset >= message_.size()) return std::nullopt;
    char* text = nullptr;
    long used = 0;
    auto* base = reinterpret_cast<const unsigned char*>(message_.data());
    if (ares_expand_name(base + offset, base, static_cast<int>(message_.size()), &text, &used) !=
        ARES_SUCCESS)
      return std::nullopt;
    std::string name = to_lower(text);
    ares_free_string(text);
    if (!name.empty() && name.back() == '.') name.pop_back();
    size = static_cast<std::size_t>(used);
    return name;
  }
  std::optional<Record> record() {
    Record r;
    std::size_t size = 0;
    auto owner = name_at(at_, size);
    if (!owner) return std::nullopt;
    std::size_t fixed = at_ + size;
    auto type = u16_at(fixed);
    auto klass = u16_at(fixed + 2);
    auto ttl = u32_at(fixed + 4);
    auto length = u16_at(fixed + 8);
    if (!length || fixed + 10 + *length > message_.size()) return std::nullopt;
    r = {*std::move(owner), *type, *klass, *ttl, fixed + 10, *length};
    at_ = fixed + 10 + *length;
    return r;
  }

 private:
  unsigned byte(std::size_t offset) const { return static_cast<unsigned char>(message_[offset]); }
  std::string_view message_;
  std::size_t at_ = kHeader;
};

bool take_address(std::string_view data, RecordType type, Answer& out) {
  bool v6 = type == RecordType::aaaa;
  if (data.size() != (v6 ? 16U : 4U)) return false;
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(v6 ? AF_INET6 : AF_INET, data.data(), text, sizeof text) == nullptr) return false;
  if (out.addresses.size() < kAddressesMax) out.addresses.emplace_back(text);
  return true;
}

bool take_mx(const Reader& reader, const Record& record, Answer& out) {
  auto preference = reader.u16_at(record.data);
  std::size_t size = 0;
  if (record.size < 3) return false;
  auto host = reader.name_at(record.data + 2, size);
  if (!host || size != record.size - 2) return false;
  // A name we would never show or look up is left out; the others may still serve.
  if (!host->empty() && !is_host_name(*host)) {
    out.left_out = true;
    return true;
  }
  if (out.mx.size() < kMxRecordsMax) out.mx.push_back({*preference, *std::move(host)});
  return true;
}

bool take_tlsa(std::string_view data, Answer& out) {
  if (data.size() < 3) return false;
  auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(data[i]); };
  if (out.tlsa.size() < kTlsaRecordsMax)
    out.tlsa.push_back({byte(0), byte(1), byte(2), std::string(data.substr(3))});
  return true;
}

bool take_text(std::string_view data, Answer& out) {
  std::string text;
  while (!data.empty()) {
    auto size = static_cast<unsigned char>(data.front());
    if (data.size() < 1U + size) return false;
    text += data.substr(1, size);
    data.remove_prefix(1U + size);
  }
  if (out.texts.size() < kTextRecordsMax) out.texts.push_back(std::move(text));
  return true;
}

bool take_name(const Reader& reader, const Record& record, Answer& out) {
  std::size_t size = 0;
  auto name = reader.name_at(record.data, size);
  if (!name || size != record.size) return false;
  if (is_host_name(*name) && out.names.size() < kNamesMax) out.names.push_back(*std::move(name));
  return true;
}

bool take_record(const Reader& reader, std::string_view message, const Record& record,
                 RecordType type, Answer& out) {
  std::string_view data = message.substr(record.data, record.size);
  switch (type) {
    case RecordType::mx:
      return take_mx(reader, record, out);
    case RecordType::ptr:
      return take_name(reader, record, out);
    case RecordType::tlsa:
      return take_tlsa(data, out);
    case RecordType::txt:
      return take_text(data, out);
    case RecordType::a:
    case RecordType::aaaa:
      break;
  }
  return take_address(data, type, out);
}

// The names of a part of a reverse zone that was handed on hold a slash (RFC 2317 4).
bool may_follow(std::string name) {
  std::replace(name.begin(), name.end(), '/', '-');
  return is_host_name(name);
}

// Follows CNAMEs from name through records; nothing when the chain is too long.
std::optional<std::string> follow(const Reader& reader, const std::vector<Record>& records,
                                  std::string name, Answer& out) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const Record& r : records) {
      if (r.type != kCname || r.klass != kClassIn || r.owner != name) continue;
      std::size_t size = 0;
      auto target = reader.name_at(r.data, size);
      if (!target || !may_follow(*target) || ++out.cnames > kCnameChainMax) return std::nullopt;
      out.ttl = std::min(out.ttl, r.ttl);
      name = *std::move(target);
      moved = true;
      break;
    }
  }
  return name;
}

// How long a negative answer holds: the smaller of the SOA's own TTL and its MINIMUM (RFC 2308 5).
std::uint32_t negative_ttl(Reader& reader, std::size_t authority) {
  for (std::size_t i = 0; i < authority; ++i) {
    auto r = reader.record();
    if (!r) return 0;
    if (r->type != kSoa || r->size < 4) continue;
    return std::min(r->ttl, reader.u32_at(r->data + r->size - 4).value_or(0));
  }
  return 0;
}

}  // namespace

std::string_view name_of(AnswerStatus status) {
  switch (status) {
    case AnswerStatus::ok:
      return "ok";
    case AnswerStatus::no_such_name:
      return "no such name";
    case AnswerStatus::no_data:
      return "no data";
    case AnswerStatus::temporary:
      return "temporary failure";
  }
  return "?";
}

std::string reverse_name(const std::string& address) {
  unsigned char bytes[16];
  std::string out;
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) {
    for (int i = 3; i >= 0; --i) out += std::to_string(bytes[i]) + '.';
    return out + "in-addr.arpa";
  }
  if (inet_pton(AF_INET6, address.c_str(), bytes) != 1) return {};
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = 15; i >= 0; --i) {
    out += {kDigits[bytes[i] & 15U], '.'};
    out += {kDigits[bytes[i] >> 4U], '.'};
  }
  return out + "ip6.arpa";
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253 || name.front() == '.') return false;
  for (char c : name)
    if (!is_alnum(c) && c != '-' && c != '_' && c != '.') return false;
  return true;
}

bool is_question_name(std::string_view name) {
  constexpr std::size_t kNameMax = 253;
  constexpr std::size_t kLabelMax = 63;
  constexpr std::string_view kEscaped = "\\\".;()@$";
  if (name.empty() || name.size() > kNameMax) return false;
  if (name.back() == '.') name.remove_suffix(1);
  for (std::string_view label : split(name, '.')) {
    if (label.empty() || label.size() > kLabelMax) return false;
    for (char c : label)
      if (c <= ' ' || c > '~' || kEscaped.find(c) != std::string_view::npos) return false;
  }
  return true;
}

Answer read_answer(std::string_view message, std::string_view name, RecordType type) {
  Answer broken;
  Answer out;
  out.ttl = UINT32_MAX;
  if (message.size() < kHeader) return broken;
  Reader reader(message);
  auto flags = static_cast<unsigned char>(message[3]);
  unsigned rcode = flags & 15U;
  out.authentic = (flags & 0x20U) != 0;
  if (rcode != 0 && rcode != 3) return broken;
  for (unsigned i = 0; i < *reader.u16_at(4); ++i) {
    std::size_t size = 0;
    if (i > 1 || !reader.name_at(reader.at(), size)) return broken;
    reader.skip(size + 4);
  }
  std::vector<Record> records;
  for (std::size_t i = 0; i < *reader.u16_at(6); ++i) {
    // Further ones are not looked at; what is kept of each type is fewer.
    if (i >= kRecordsRead) break;
    auto record = reader.record();
    if (!record) return broken;
    records.push_back(*std::move(record));
  }
  auto target = follow(reader, records, to_lower(name), out);
  if (!target) return broken;
  if (out.cnames > 0) out.canonical = *target;
  for (const Record& r : records) {
    if (r.type != static_cast<std::uint16_t>(type) || r.klass != kClassIn || r.owner != *target)
      continue;
    if (!take_record(reader, message, r, type, out)) return broken;
    out.ttl = std::min(out.ttl, r.ttl);
  }
  if (!out.mx.empty() || !out.addresses.empty() || !out.tlsa.empty() || !out.texts.empty() ||
      !out.names.empty()) {
    out.status = AnswerStatus::ok;
    return out;
  }
  if (out.left_out) return broken;  // there is an MX: the domain's own address must not serve
  out.status = rcode == 3 ? AnswerStatus::no_such_name : AnswerStatus::no_data;
  out.ttl = negative_ttl(reader, *reader.u16_at(8));
  if (rcode == 0 && out.cnames > 0) out.chase = *target;
  return out;
}

}  // namespace postwain::dns
