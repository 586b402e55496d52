// The field Authentication-Results, written and read. Whatever the values, one field comes out, in
// lines that may be sent, and our reader finds in it what was meant. Whatever a field of others
// says, it is read without trouble, and ours is known as ours.
//
// The input is the value of a field, and with octets 1E between them the parts of results.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/results/results_field.h"
#include "common/authentication/results/results_reader.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/content/header_edits.h"

using namespace postwain;
using namespace postwain::authentication;

namespace {

constexpr std::size_t kNameSize = kResultsFieldName.size() + 1;

void look_at_lines(const std::string& field, bool utf8) {
  PW_CHECK(mail::HeaderEdits(field, 0).shown().size() == 1);
  for (std::size_t start = 0; start < field.size();) {
    std::size_t end = field.find("\r\n", start);
    PW_CHECK(end != std::string::npos && end - start <= 998);
    std::string_view line = std::string_view(field).substr(start, end - start);
    PW_CHECK(line.find_first_not_of(" \t") != std::string_view::npos);
    PW_CHECK(start == 0 || line.front() == ' ' || line.front() == '\t');
    for (char c : line) PW_CHECK((static_cast<unsigned char>(c) >= 0x20 || c == '\t') && c != 0x7F);
    PW_CHECK(utf8 ? is_valid_utf8(line) : is_ascii(line));
    start = end + 2;
  }
}

std::vector<MethodResult> expected(const std::vector<MethodResult>& results, bool utf8) {
  std::vector<MethodResult> out;
  for (const MethodResult& result : results)
    if (auto shown = as_written(result, utf8); shown && out.size() < kMethodResultsMax) {
      shown->method = to_lower(shown->method);
      shown->result = to_lower(shown->result);
      for (ResultProperty& property : shown->properties) {
        property.type = to_lower(property.type);
        property.name = to_lower(property.name);
      }
      out.push_back(*shown);
    }
  return out;
}

void write(std::string_view id, const std::vector<MethodResult>& results) {
  for (bool utf8 : {false, true}) {
    std::string field = results_field(id, results, utf8);
    look_at_lines(field, utf8);
    std::string value = field.substr(kNameSize, field.size() - kNameSize - 2);
    auto read = parse_results(value);
    std::vector<MethodResult> meant = expected(results, utf8);
    // More of them than a reader takes is the writer's bound times its own.
    std::size_t parts = meant.size();
    for (const MethodResult& result : meant) parts += result.properties.size() + 1;
    if (!read && parts > kReadResultsMax) continue;
    PW_CHECK(read.has_value());
    PW_CHECK(read->authserv_id == authserv_id_as_written(id));
    PW_CHECK(read->results == meant);
    PW_CHECK(claim_of(value, "mx.example.org") != ResultsClaim::unparsable);
    if (id == "mx.example.org") PW_CHECK(claim_of(value, id) == ResultsClaim::ours);
  }
}

// What was read can be written, and then says the same.
void read(std::string_view value) {
  ResultsClaim claim = claim_of(value, "mx.example.org");
  std::string header = std::string(kResultsFieldName) + ":" + std::string(value) + "\r\n";
  (void)claiming_fields(header, "mx.example.org");
  auto found = parse_results(value);
  // What can be read is somebody's, but for ids in which readers may see different names: with an
  // encoded word, or with octets beyond ASCII.
  bool is_plain = found && is_ascii(found->authserv_id) &&
                  value.substr(0, value.find(';')).find("=?") == std::string_view::npos;
  PW_CHECK(!is_plain || claim != ResultsClaim::unparsable);
  if (found) write("mx.example.org", found->results);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> parts = split(text, '\x1e');
  read(parts.front());
  std::vector<MethodResult> results;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    std::string part(parts[i]);
    std::size_t place = (i - 1) % 6;
    if (place == 0) results.push_back({"dkim", "pass"});
    if (place == 0) results.back().reason = part;
    if (place == 1) results.back().comment = part;
    if (place == 2 || place == 3) results.back().properties.push_back({"header", "d", part});
    if (place == 4) results.back().properties.push_back({"smtp", part, part});
    if (place == 5) results.back().result = part;
  }
  write("mx.example.org", results);
  write(parts.front(), results);
  return 0;
}
