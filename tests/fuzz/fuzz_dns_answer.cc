// Bytes as a DNS message: reading ends, and only host names and addresses come out of it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/check.h"
#include "common/dns/answer.h"

using namespace postwain::dns;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr RecordType kTypes[] = {RecordType::a,   RecordType::ptr,  RecordType::mx,
                                   RecordType::txt, RecordType::aaaa, RecordType::tlsa};
  std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  Answer answer = read_answer(message, "a.test", kTypes[data[0] % std::size(kTypes)]);
  for (const MxRecord& mx : answer.mx) PW_CHECK(mx.host.empty() || is_host_name(mx.host));
  for (const std::string& name : answer.names) PW_CHECK(is_host_name(name));
  PW_CHECK(answer.cnames <= kCnameChainMax + 1);
  PW_CHECK(answer.mx.size() <= kMxRecordsMax && answer.addresses.size() <= kAddressesMax);
  if (answer.status == AnswerStatus::ok)
    PW_CHECK(!answer.mx.empty() || !answer.addresses.empty() || !answer.names.empty() ||
             !answer.texts.empty() || !answer.tlsa.empty());
  return 0;
}
