// Bytes of a client into the server engine, whole and in pieces: the replies and the accepted
// messages must be the same however the network cuts them, and no message may hold a lone CR or LF
// but one of BODY=BINARYMIME.
// A host that is asked at connect, at unknown commands and about the header section must come to
// the same, and what it is told of the header section is held against the content (server_host.h).
// The first byte chooses dialect, how the pieces are cut, and what such a host refuses.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "tests/unit/smtp/server_host.h"

using namespace postwain;
using namespace postwain::smtp;

namespace {

struct Result {
  std::string output;
  std::string contents;
  bool closed = false;
  std::string fields{};  // of the header sections, as told
};

struct Way {
  bool lmtp = false;
  bool late = false;
  bool asked = false;     // everything
  bool refuses = false;   // header fields, header sections; only where it is asked
  bool unwanted = false;  // the client is not greeted; the same
  std::size_t piece = 1;
};

Result run(std::string_view bytes, const Way& way) {
  ServerOptions options;
  options.hostname = "mx.test";
  options.dialect = way.lmtp ? kLmtp : kSmtp;
  options.message_size = 500;
  options.recipients = 3;
  options.auth = options.auth_without_tls = true;
  options.xclient = options.xforward = true;
  if (way.asked) options.ask = {true, true, true};
  TestHost host(options);
  host.late = way.late;
  host.strict = way.refuses;
  if (way.refuses) host.header_end_reply = {451, {4, 7, 0}, "Not now"};
  if (way.refuses) host.unknown_reply = {502, {5, 5, 1}, "Not here"};
  if (way.unwanted) host.connect_reply = {554, {}, "No"};
  host.feed({});  // nobody has to send anything to be greeted
  for (std::size_t at = 0; at < bytes.size() && !host.closed; at += way.piece)
    host.feed(bytes.substr(at, way.piece));
  host.settle();
  Result result{host.take_output(), {}, host.closed};
  for (const std::string& field : host.fields) result.fields += field;
  for (const auto& message : host.accepted) {
    const std::string& content = message.content;
    bool binary = message.envelope.body == mail::BodyType::binary_mime;
    for (std::size_t i = 0; i < content.size() && !binary; ++i) {
      if (content[i] == '\n') PW_CHECK(i > 0 && content[i - 1] == '\r');
      if (content[i] == '\r') PW_CHECK(i + 1 < content.size() && content[i + 1] == '\n');
    }
    PW_CHECK(!message.envelope.recipients.empty());
    result.contents += content + '|';
  }
  return result;
}

bool same(const Result& one, const Result& other) {
  return one.output == other.output && one.contents == other.contents && one.closed == other.closed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Way way;
  way.lmtp = (data[0] & 1) != 0;
  std::size_t piece = 1 + (data[0] >> 1) % 16;
  way.piece = bytes.size() + 1;
  Result whole = run(bytes, way);
  way.asked = true;
  Result asked = run(bytes, way);
  PW_CHECK(same(asked, whole));
  way.refuses = (data[0] & 0x20) != 0;
  way.unwanted = (data[0] & 0xC0) == 0xC0;
  Result refused = way.refuses || way.unwanted ? run(bytes, way) : asked;
  way.piece = piece;
  for (bool late : {false, true}) {
    way.late = late;
    Result cut = run(bytes, way);
    PW_CHECK(same(cut, refused));
    PW_CHECK(cut.fields == refused.fields);
    way.asked = false;
    PW_CHECK(same(run(bytes, way), whole));
    way.asked = true;
  }
  return 0;
}
