// Texts as tag lists, as DKIM signatures and as key records: what is read of them is within bounds,
// and is in the text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/authentication/dkim/header_list.h"
#include "common/authentication/dkim/key_record.h"
#include "common/authentication/dkim/signature_field.h"
#include "common/authentication/dkim/tag_list.h"
#include "common/base/check.h"
#include "common/dns/answer.h"

using namespace postwain;
using namespace postwain::authentication::dkim;

namespace {

void read_list(std::string_view text) {
  auto list = TagList::read(text);
  if (!list) return;
  PW_CHECK(list->tags().size() <= kTagsMax);
  for (const Tag& tag : list->tags()) {
    PW_CHECK(list->find(tag.name)->raw.data() == tag.raw.data());
    PW_CHECK(tag.raw.find(tag.value) != std::string_view::npos);
    PW_CHECK(tag.raw.find(';') == std::string_view::npos);
    PW_CHECK(without_fws(tag.value).find_first_of(" \t\r\n") == std::string::npos);
  }
}

void read_signature(std::string_view text) {
  SignatureReading reading = read_signature_field(text);
  PW_CHECK(reading.facts.begin.size() <= 8 && reading.facts.domain.size() <= kFactOctetsMax);
  PW_CHECK(reading.facts.identity.size() <= kFactOctetsMax + 1);
  if (reading.refusal) {
    PW_CHECK(!reading.refusal->reason.empty() && reading.refusal->verdict != Verdict::pass);
    return;
  }
  const SignatureField& field = reading.field;
  PW_CHECK(dns::is_host_name(field.question) && field.body_hash.size() == 32);
  PW_CHECK(!field.names.empty() && field.names.size() < kSignedNamesMax + 1);
  PW_CHECK(field.question.ends_with("._domainkey." + reading.facts.domain_key));
  std::string own = without_signature("DKIM-Signature:" + std::string(text));
  auto rest = TagList::read(std::string_view(own).substr(own.find(':') + 1));
  PW_CHECK(rest.ok() && rest->find("b")->raw.empty());
}

void read_record(std::string_view text) {
  auto record = read_key_record(text);
  if (!record) return;
  int bits = 0;
  auto key = key_of(*record, bits);
  if (key) PW_CHECK(bits >= 256 && bits <= kVerifiedRsaBitsMax && !key->verifies(text, text));
}

void read_header(std::string_view text) {
  HeaderList list(text);
  FieldSelection selection(list, std::nullopt);
  std::size_t found = 0;
  for (const HeaderList::Field& field : list.fields()) {
    PW_CHECK(text.find(field.text) != std::string_view::npos);
    if (selection.next(field.name)) ++found;
  }
  PW_CHECK(found == list.fields().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  read_list(text);
  read_signature(text);
  read_record(text);
  read_header(text);
  return 0;
}
